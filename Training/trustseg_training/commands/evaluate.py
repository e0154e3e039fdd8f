"""`trustseg-train evaluate`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trustseg_training import formatting

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
    """Write a table and a summary per model, and print the means."""
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
    for model, found in evaluated.items():
        for structure, measures in found["structures"].items():
            print(f"{model}: {structure}: {_line(measures)}")
        for title, measures in found["union_and_cut"].items():
            print(f"{model}: {title}: {_line(measures)}")


def _line(measures: Mapping[str, Any]) -> str:
    """Means over patients."""
    dice, distance = measures["dice"], measures["hd95_mm"]
    far = "" if distance["mean"] is None else f", HD95 {distance['mean']:.2f} mm"
    bias = measures.get("volume_bias", {}).get("mean")
    volume = "" if bias is None else f", volume bias {formatting.change(bias)}"
    return f"Dice {dice['mean']:.4f}{far}{volume}, mean of {dice['patients']} patients"
