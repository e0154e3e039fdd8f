"""`trustseg-train evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "judge runs or bundles on the patients of a data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "models",
        type=Path,
        nargs="+",
        metavar="RUN|BUNDLE",
        help="run folders of fit, model bundles, or names of bundled models",
    )
    add("--data", type=Path, required=True, help="data set with labels, as for fit")
    add("--split", choices=["train", "val", "test", "all"], default="val", help="default: val")
    add("-o", "--output", type=Path, required=True, help="folder; with several models, one in it for each")
    add("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    add("--checkpoint", choices=["best", "last"], default="best", help="of the runs; default: best")


def run(options: argparse.Namespace) -> None:
    """Write a table and a summary per model, and say the Dice."""
    from trustseg_training.evaluation import evaluate_models
    from trustseg_training.training import CHECKPOINTS

    told = evaluate_models(
        options.models,
        options.data,
        options.split,
        options.output,
        options.device,
        CHECKPOINTS[options.checkpoint],
    )
    for model, structures in told.items():
        for structure, measures in structures.items():
            dice = measures["dice"]
            print(f"{model}: {structure}: Dice {dice['mean']:.4f}, mean of {dice['patients']} patients")
