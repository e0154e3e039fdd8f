"""`trustseg-train evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_checkpoint, add_data, add_device, add_split

SUMMARY = "evaluate runs or bundles on the patients of a data set"


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
    add_data(parser)
    add_split(parser)
    add("-o", "--output", type=Path, required=True, help="folder; with several models, one in it for each")
    add_device(parser)
    add_checkpoint(parser, of="the runs")


def run(options: argparse.Namespace) -> None:
    """Write a table and a summary per model, and print the Dice."""
    from trustseg_training.evaluation import evaluate_models
    from trustseg_training.training import CHECKPOINTS

    evaluated = evaluate_models(
        options.models,
        options.data,
        options.split,
        options.output,
        options.device,
        CHECKPOINTS[options.checkpoint],
    )
    for model, structures in evaluated.items():
        for structure, measures in structures.items():
            dice = measures["dice"]
            print(f"{model}: {structure}: Dice {dice['mean']:.4f}, mean of {dice['patients']} patients")
