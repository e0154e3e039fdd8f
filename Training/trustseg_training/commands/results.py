"""`trustseg-train results`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TrustSegLib.errors import OptionError

SUMMARY = "print the results of verify: all models, groups of seeds, or one model beside targets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("verification", type=Path, metavar="DIR", help="folder that verify wrote")
    add("--models", nargs="+", metavar="NAME", help="columns of the tables; default: all")
    add("--seeds", action="store_true", help="instead: groups that verify was given, and their differences")
    add("--targets", metavar="NAME", help="instead: beside these, such as hippocampus, or a .csv file")
    add("--model", metavar="NAME", help="to compare with the targets")


def run(options: argparse.Namespace) -> None:
    """Print the tables as Markdown."""
    from trustseg_training.robustness.summary import read_summary

    if (options.targets is None) != (options.model is None):
        raise OptionError("--targets and --model: give both, or neither for every model's table")
    if options.seeds and options.targets is not None:
        raise OptionError("--seeds and --targets: give one of them")
    print(_printed(options, read_summary(options.verification)), end="")


def _printed(options: argparse.Namespace, summary: Mapping[str, Any]) -> str:
    if options.seeds:
        return _trainings(options, summary)
    return _tables(options, summary) if options.targets is None else _targets(options, summary)


def _tables(options: argparse.Namespace, summary: Mapping[str, Any]) -> str:
    from trustseg_training.report.markdown_tables import condition_tables

    return condition_tables(summary, options.models)


def _trainings(options: argparse.Namespace, summary: Mapping[str, Any]) -> str:
    from trustseg_training.report.markdown_tables import training_tables

    return training_tables(summary, options.models)


def _targets(options: argparse.Namespace, summary: Mapping[str, Any]) -> str:
    from trustseg_training.report.target_table import check, load_targets, markdown

    return markdown(check(load_targets(options.targets), summary, options.model), options.model)
