"""`trustseg-train export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from TrustSegLib.errors import OptionError

from .options import add_checkpoint

SUMMARY = "write a trained network as a model bundle"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("run", type=Path, nargs="?", help="run folder of fit")
    add("--members", type=Path, nargs="+", metavar="RUN", help="instead: runs that become one ensemble")
    add("-o", "--output", type=Path, required=True, help="bundle folder to write")
    text = "JSON with name, version, structures, data and license; what it lacks is that of the run"
    add("--details", type=Path, help=text)
    add("--verdict", type=Path, nargs="+", default=[], metavar="DIR", help="what verify found, for the card")
    add("--verdict-name", metavar="NAME", help="of the model in --verdict; default: the run's")
    add("--moments", type=Path, metavar="DIR", help="what moments found, for the card")
    add_checkpoint(parser, of="the runs")


def run(options: argparse.Namespace) -> None:
    """Evaluate the run, or the ensemble of several, and write the bundle."""
    from trustseg_training.export import RobustnessResults, export
    from trustseg_training.training import CHECKPOINTS

    runs = options.members or []
    if (options.run is None) == (not runs) or len(runs) == 1:
        raise OptionError("export: name either one run, or two or more with --members")
    if options.verdict_name is not None and not options.verdict:
        raise OptionError("export: --verdict-name names a model of --verdict; give that too")
    robustness = RobustnessResults(tuple(options.verdict), options.verdict_name)
    checkpoint = CHECKPOINTS[options.checkpoint]
    export(runs or options.run, options.output, options.details, checkpoint, robustness, options.moments)
    print(f"{options.output}: a model that `trustseg segment --model` and Slicer take")
