"""`trustseg-train auto`."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

SUMMARY = "make a model of a data set in one go: check, plan, train, calibrate, evaluate, export"

#: Minutes on any computer: what differs is how far the training comes.
BUDGETS = {"quick": 20.0, "standard": 90.0, "long": 480.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Make a model of a data set in one go. Repeat the same command to go on after whatever stopped it. "
        "Settings, runs and figures are in MODEL-work, beside the model."
    )
    add = parser.add_argument
    add("data", type=Path, help="folder or CSV file with images and labels; see `init --help`")
    add("-o", "--output", type=Path, required=True, metavar="MODEL", help="folder of the model to make")
    add(
        "--budget",
        type=minutes,
        default="standard",
        metavar="TIME",
        help="quick (20 minutes), standard (90 minutes, default), long (a night), or a number of minutes",
    )
    add(
        "--name",
        dest="model_name",
        type=model_name,
        metavar="NAME",
        help="of the model; default: that of its folder",
    )
    add("--modality", type=modality, metavar="DICOM", help="such as MR; default: as channels or values say")


def run(options: argparse.Namespace) -> None:
    """Make the model, or go on making it."""
    from trustseg_training.auto import Request, make_model

    make_model(Request(options.data, options.output, options.budget, options.model_name, options.modality))


def minutes(text: str) -> float:
    """A budget's minutes, of its name or number."""
    try:
        found = BUDGETS[text] if text in BUDGETS else float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: give {', '.join(BUDGETS)}, or minutes above 0")
    return found


def model_name(text: str) -> str:
    """A name that a model may have."""
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: use letters, digits, '.', '_' and '-', 64 at most")
    return text


def modality(text: str) -> str:
    """DICOM's letters."""
    if not re.fullmatch("[A-Z]{2,16}", text.upper()):
        raise argparse.ArgumentTypeError(f"{text!r}: give DICOM's letters, such as MR or CT")
    return text.upper()
