"""The model that runs make: one run its own, several an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from trustseg_training.configuration import FitConfiguration
from trustseg_training.dataset import SPLIT_TABLE
from trustseg_training.judging import calibrated, read_fit
from trustseg_training.run import load_weights
from TrustSegLib.errors import OptionError
from TrustSegLib.networks import join_members

#: In what the members of an ensemble may differ: where they start, and the computer.
_OWN = ("seed", "data", "initialize_from", "precision", "devices", "num_nodes", "strategy")

MEMBER_FAMILY = "deterministic"


@dataclass(frozen=True)
class Exported:
    """A model as `TrustSegLib.networks.build` makes it.

    Attributes
    ----------
    family : str
        Of the model, which for an ensemble is not that of its members.
    options : dict
        Of the family, with temperature and variance scale where they were fitted.
    weights : dict
        State dict.
    fitted : dict or None
        Content of ``calibration.json``.
    """

    family: str
    options: dict[str, Any]
    weights: dict[str, Tensor]
    fitted: dict[str, Any] | None


def model_of_runs(runs: Sequence[Path]) -> Exported:
    """Weights and options of one run, or of the ensemble that several make.

    Members are not calibrated one by one: the temperature of each would not be that of their mean.

    Raises
    ------
    OptionError
        A run has no usable checkpoint or calibration, or the runs cannot be members of one ensemble.
    """
    configurations = [FitConfiguration.load(run) for run in runs]
    if len(runs) == 1:
        options = dict(calibrated(configurations[0], runs[0]).family_options)
        return Exported(configurations[0].family, options, load_weights(runs[0]), read_fit(runs[0]))
    _check_members(runs, configurations)
    return Exported(
        "ensemble", {"members": len(runs)}, join_members([load_weights(run) for run in runs]), None
    )


def _split(run: Path) -> bytes | None:
    """The table of who trained; runs from before there was one have None."""
    table = run / SPLIT_TABLE
    return table.read_bytes() if table.is_file() else None


def _check_members(runs: Sequence[Path], configurations: list[FitConfiguration]) -> None:
    """Members share their training patients: those of the table were seen by none."""
    first = configurations[0]
    if first.family != MEMBER_FAMILY:
        raise OptionError(f"{runs[0]}: family {first.family}; an ensemble has {MEMBER_FAMILY} members")
    for run, other in zip(runs[1:], configurations[1:], strict=True):
        for field in fields(FitConfiguration):
            if field.name not in _OWN and getattr(first, field.name) != getattr(other, field.name):
                raise OptionError(
                    f"{run}: has another {field.name.replace('_', '-')} than {runs[0].name}; the members of "
                    "an ensemble differ in their seed only"
                )
        if _split(run) != _split(runs[0]):
            raise OptionError(f"{run}: trained on other patients than {runs[0].name}; use one split for all")
    seeds = [configuration.seed for configuration in configurations]
    if len(set(seeds)) < len(seeds):
        raise OptionError(f"{runs[0]}: two members have the same seed; train each with its own --seed")
