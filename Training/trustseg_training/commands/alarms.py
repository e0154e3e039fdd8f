"""`trustseg-train alarms`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trustseg_training import suites
from TrustSegLib.errors import OptionError

from .options import add_data, add_device, add_split

SUMMARY = "count silent failures and false alarms of a calibrated model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("model", type=Path, metavar="BUNDLE", help="with its calibration")
    add_data(parser)
    add("-o", "--output", type=Path, required=True, help="folder for alarms.csv and alarms.md")
    known = f"{', '.join(suites.names())}, or a .yaml file"
    add(
        "--suite",
        nargs="+",
        default=["alarms"],
        metavar="NAME",
        help=f"{known}; default: alarms. Cuts, thick slices and inversion are always there",
    )
    add_split(parser)
    add("--cases", type=int, metavar="N", help="the first N cases only")
    add("--jobs", type=int, default=1, metavar="N", help="processes at a time; default: 1")
    add_device(parser, default="cpu")


def run(options: argparse.Namespace) -> None:
    """Assess, write both tables and print the one by condition."""
    from trustseg_training.alarms import assess_alarms, summary_table, write
    from trustseg_training.evaluation import load_evaluated_model
    from trustseg_training.robustness import load_suites

    if min(options.jobs, 1 if options.cases is None else options.cases) < 1:
        raise OptionError("--jobs and --cases: give 1 or more")
    suite = load_suites(options.suite)
    if suite.attacks:
        raise OptionError(f"suite {suite.name}: attacks change the network's input, no image; choose another")
    model = load_evaluated_model(options.model)
    alarms = assess_alarms(
        model, options.data, suite.corruptions, options.split, options.cases, options.jobs, options.device
    )
    write(alarms, options.output)
    print(summary_table(alarms), end="")
