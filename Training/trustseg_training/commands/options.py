"""Options that several commands have, with the same words."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``."""
    parser.add_argument("--data", type=Path, required=True, help="data set with labels, as for fit")


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add ``--output`` of a command that continues where it was stopped."""
    text = "output folder; repeat the command to continue in it"
    parser.add_argument("-o", "--output", type=Path, required=True, help=text)


def add_split(parser: argparse.ArgumentParser) -> None:
    """Add ``--split``, of any set of patients."""
    parser.add_argument(
        "--split", choices=["train", "val", "test", "all"], default="val", help="default: val"
    )


def add_checkpoint(parser: argparse.ArgumentParser, of: str) -> None:
    """Add ``--checkpoint``, the name of one of `training.CHECKPOINTS`."""
    parser.add_argument(
        "--checkpoint", choices=["best", "last"], default="best", help=f"of {of}; default: best"
    )


def add_device(parser: argparse.ArgumentParser, default: str = "auto") -> None:
    """Add ``--device``; with the default ``cpu``, auto is not offered."""
    known = "auto (default), cpu," if default == "auto" else "cpu (default),"
    parser.add_argument("--device", default=default, help=f"{known} cuda or cuda:N")
