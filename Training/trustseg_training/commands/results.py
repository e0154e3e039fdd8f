"""`trustseg-train results`."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "put what a verification measured beside the targets of its data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("verification", type=Path, metavar="DIR", help="folder that verify wrote")
    add("--targets", required=True, metavar="NAME", help="such as hippocampus, or a .csv file")
    add("--model", required=True, metavar="NAME", help="whose values are ours")


def run(options: argparse.Namespace) -> None:
    """Print the tables as Markdown."""
    from trustseg_training.reporting.target_table import check, load_targets, markdown
    from trustseg_training.verification.verdict import read_summary

    found = check(load_targets(options.targets), read_summary(options.verification), options.model)
    print(markdown(found, options.model), end="")
