"""`trustseg-train verify`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from trustseg_training import suites
from TrustSegLib.errors import OptionError
from TrustSegLib.networks import PROPAGATIONS

from .options import add_checkpoint, add_data, add_device, add_output, add_split

SUMMARY = "stress-test models with noise, artifacts and attacks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("models", type=Path, nargs="*", metavar="RUN|BUNDLE", help="the others are compared with the first")
    words = {"action": "append", "nargs": "+", "default": [], "metavar": ("NAME", "RUN")}
    add("--ensemble", **words, help="runs as the members of one ensemble; can be given several times")
    variant = f"a run with another propagation: NAME=RUN:{'|'.join(PROPAGATIONS)}"
    add("--variant", action="append", default=[], metavar="NAME=RUN:MODE", help=variant)
    scales = "temperature, variance scale and class bias"
    tempered = f"evaluate these with {scales} too, fitted on the other half of the patients"
    add("--temperature", nargs="+", default=[], metavar="NAME", help=f"{tempered}; named NAME+T")
    add_checkpoint(parser, of="every run")
    words["metavar"] = ("GROUP", "NAME")
    grouped = "models that differ in their seed only, to be taken together; +T with +T"
    add("--seeds", **words, help=f"{grouped}; repeatable")
    add_data(parser)
    add_output(parser)
    known = f"{', '.join(suites.names())}, or a .yaml file"
    add("--suite", nargs="+", default=["quick"], metavar="NAME", help=f"{known}; several are joined")
    add_split(parser)
    add("--cases", type=int, metavar="N", help="the first N cases only")
    add("--jobs", type=int, default=1, metavar="N", help="processes at a time; default: 1")
    add("--seed", type=int, default=0, help="of all noise, artifacts and attacks; default: 0")
    add_device(parser, default="cpu")


def run(options: argparse.Namespace) -> None:
    """Verify, and print where the report is."""
    from trustseg_training.report import report_of
    from trustseg_training.robustness import (
        ModelSelection,
        VerificationPlan,
        load_suites,
        parse_group,
        parse_variant,
        verify,
    )
    from trustseg_training.training import CHECKPOINTS

    for name in ("jobs", "cases"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise OptionError(f"{name} {value}: give a whole number of at least 1")
    selection = ModelSelection(
        options.models,
        {name: [Path(run) for run in runs] for name, runs in _groups(options, "ensemble", parse_group)},
        dict(map(parse_variant, options.variant)),
        options.temperature,
        CHECKPOINTS[options.checkpoint],
    )
    if not (selection.models or selection.ensembles or selection.variants):
        raise OptionError("no model is given; name a run, a bundle or an --ensemble of runs")
    plan = VerificationPlan(
        options.data,
        load_suites(options.suite),
        options.split,
        options.seed,
        options.cases,
        dict(_groups(options, "seeds", parse_group)),
    )
    done = verify(selection, plan, options.output, options.jobs, options.device)
    if done is None:
        print("this share is done; other ranks still measure theirs")
    else:
        print(report_of(done, options.output, options.device))


def _groups(options: argparse.Namespace, name: str, parse: Callable) -> list[tuple[str, list[str]]]:
    """Every use of an option that takes a name and members; a name is used once."""
    found = [parse(words, f"--{name}") for words in getattr(options, name)]
    names = [group for group, _ in found]
    if repeated := [group for group in names if names.count(group) > 1]:
        raise OptionError(f"--{name} {repeated[0]}: is given twice; choose another name")
    return found
