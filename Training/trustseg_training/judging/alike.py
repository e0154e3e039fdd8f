"""Runs that differ by chance alone: the members of an ensemble, the trainings of a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from trustseg_training.configuration import FitConfiguration
from trustseg_training.configuration.relevance import concerns
from trustseg_training.dataset import SPLIT_TABLE
from TrustSegLib.errors import OptionError

#: In what they may differ: where they start, and the computer.
_OWN = ("seed", "data", "initialize_from", "precision", "devices", "num_nodes", "strategy", "cache")


def check_alike(runs: Sequence[Path], configurations: Sequence[FitConfiguration]) -> None:
    """Refuse runs that differ in more than their seed, or not even in that.

    Raises
    ------
    OptionError
        Naming the run and the difference.
    """
    first = configurations[0]
    for run, other in zip(runs[1:], configurations[1:], strict=True):
        names = [setting.name for setting in fields(FitConfiguration) if setting.name not in _OWN]
        for name in names:
            if concerns(name, first.family) and getattr(first, name) != getattr(other, name):
                raise OptionError(
                    f"{run}: has another {name.replace('_', '-')} than {runs[0].name}; runs that are taken "
                    "together differ in their seed only"
                )
        if _split(run) != _split(runs[0]):
            raise OptionError(f"{run}: trained on other patients than {runs[0].name}; use one split for all")
    seeds = [configuration.seed for configuration in configurations]
    if len(set(seeds)) < len(seeds):
        raise OptionError(f"{runs[0]}: two of the runs have the same seed; train each with its own --seed")


def _split(run: Path) -> bytes | None:
    """The table of who trained; runs from before there was one have None."""
    table = run / SPLIT_TABLE
    return table.read_bytes() if table.is_file() else None
