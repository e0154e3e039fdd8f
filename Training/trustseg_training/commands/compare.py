"""`trustseg-train compare`."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "compare evaluations of the same patients in one table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("evaluations", type=Path, nargs="+", metavar="DIR|CSV", help="of evaluate; the first is the base")
    add("-o", "--output", type=Path, required=True, help="folder for comparison.md and comparison.csv")
    add("--seed", type=int, default=0, help="of the bootstrap; default: 0")


def run(options: argparse.Namespace) -> None:
    """Write the comparison and print its path."""
    from trustseg_training.evaluation import compare

    compare(options.evaluations, options.output, options.seed)
    print(options.output / "comparison.md")
