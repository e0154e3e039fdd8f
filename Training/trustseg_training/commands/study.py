"""`trustseg-train study`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_data, add_output

SUMMARY = "train and evaluate several networks alike, and compare them in one table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("study", type=Path, metavar="STUDY.yaml", help="what is trained; see Training/studies")
    add_data(parser)
    add_output(parser)
    add("--runs", type=Path, metavar="DIR", help="folder of the run folders; default: OUTPUT/runs")
    add("--split", choices=["val", "test"], default="val", help="patients to evaluate on; default: val")
    add("--jobs", type=int, default=1, metavar="N", help="trainings at a time; default: 1")
    add("--accelerator", default="auto", choices=["auto", "cpu", "gpu"], help="for the trainings")
    add("--device", default="auto", help="for the evaluations: auto (default), cpu, cuda or cuda:N")


def run(options: argparse.Namespace) -> None:
    """Train, evaluate, and print where the table is."""
    from trustseg_training.studies import StudyOptions, conduct

    how = StudyOptions(options.runs, options.split, options.jobs, options.accelerator, options.device)
    print(conduct(options.study, options.data, options.output, how))
