"""`trustseg-train study`."""

from __future__ import annotations

import argparse
from pathlib import Path

from TrustSegLib.errors import OptionError

SUMMARY = "train several networks alike, judge them and put them into one table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("study", type=Path, metavar="STUDY.yaml", help="what is trained; see Training/studies")
    add("--data", type=Path, required=True, help="data set with labels, as for fit")
    add("-o", "--output", type=Path, required=True, help="folder; the same command goes on in it")
    add("--runs", type=Path, metavar="DIR", help="folder of the run folders; default: OUTPUT/runs")
    add("--split", choices=["val", "test"], default="val", help="patients to judge on; default: val")
    add("--jobs", type=int, default=1, metavar="N", help="trainings at a time; default: 1")
    add("--accelerator", default="auto", choices=["auto", "cpu", "gpu"], help="for the trainings")
    add("--device", default="auto", help="for the evaluations: auto (default), cpu, cuda or cuda:N")


def run(options: argparse.Namespace) -> None:
    """Train, judge, and say where the table is."""
    from trustseg_training.studies import conduct

    if options.jobs < 1:
        raise OptionError(f"jobs {options.jobs}: give a whole number of at least 1")
    table = conduct(
        options.study,
        options.data,
        options.output,
        runs=options.runs,
        split=options.split,
        jobs=options.jobs,
        accelerator=options.accelerator,
        device=options.device,
    )
    print(table)
