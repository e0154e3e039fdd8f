"""`trustseg-train verify`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trustseg_training import suites
from TrustSegLib.errors import OptionError

SUMMARY = "prove models under noise, artifacts and attacks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("models", type=Path, nargs="+", metavar="RUN|BUNDLE", help="the others are compared with the first")
    add("--data", type=Path, required=True, help="data set with labels, as for fit")
    add("-o", "--output", type=Path, required=True, help="folder; the same command goes on in it")
    known = f"{', '.join(suites.names())}, or a .yaml file"
    add("--suite", nargs="+", default=["quick"], metavar="NAME", help=f"{known}; several are joined")
    add("--split", choices=["train", "val", "test", "all"], default="val", help="default: val")
    add("--cases", type=int, metavar="N", help="the first N cases only")
    add("--jobs", type=int, default=1, metavar="N", help="processes at a time; default: 1")
    add("--seed", type=int, default=0, help="of all noise, artifacts and attacks; default: 0")
    add("--device", default="cpu", help="cpu (default), cuda or cuda:N")


def run(options: argparse.Namespace) -> None:
    """Verify, and say where the report is."""
    from trustseg_training.reporting import report_of
    from trustseg_training.verification import verify

    for name in ("jobs", "cases"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise OptionError(f"{name} {value}: give a whole number of at least 1")
    done = verify(
        options.models,
        options.data,
        options.suite,
        options.output,
        split=options.split,
        jobs=options.jobs,
        seed=options.seed,
        device=options.device,
        most=options.cases,
    )
    if done is None:
        print("this share is done; other ranks still measure theirs")
    else:
        print(report_of(done, options.output, options.device))
