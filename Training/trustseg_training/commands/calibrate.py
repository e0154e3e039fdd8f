"""`trustseg-train calibrate`."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "fit a run's temperature and variance scale on its validation patients"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("run", type=Path, help="run folder of fit; calibration.json or calibration-last.json goes into it")
    add("--data", type=Path, help="data set, if it is not where it was when the run began")
    add("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    add("--checkpoint", choices=["best", "last"], default="best", help="of the run; default: best")


def run(options: argparse.Namespace) -> None:
    """Fit, and say what it changed."""
    from trustseg_training.judging import calibrate
    from trustseg_training.judging.calibration import at_their_limits
    from trustseg_training.run import CHECKPOINTS

    found = calibrate(options.run, options.data, options.device, CHECKPOINTS[options.checkpoint])
    scale = "" if found.variance_scale is None else f", variance scale {found.variance_scale:.3g}"
    print(f"temperature {found.temperature:.3g}{scale}")
    for name in at_their_limits(found):
        print(
            f"warning: {name} is at the end of its range: too few patients, or a network that is not trained"
        )
    for name in ("nll", "ece"):
        print(f"{name.upper()} {getattr(found.before, name):.4f} -> {getattr(found.after, name):.4f}")
