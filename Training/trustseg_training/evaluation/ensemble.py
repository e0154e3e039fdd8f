"""Runs that differ in their seed only: several deterministic ones, evaluated as one ensemble."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from torch import nn

from trustseg_training.config import FitConfiguration
from trustseg_training.config.settings import concerns
from trustseg_training.dataset import SPLIT_TABLE
from trustseg_training.training import BEST, load_weights
from TrustSegLib.bundle import ModelDescription
from TrustSegLib.errors import OptionError
from TrustSegLib.networks import build, join_members

from .evaluated_model import EvaluatedModel, RunModel, load_evaluated_model

MEMBER_FAMILY = "deterministic"


@dataclass(frozen=True)
class EnsembleModel:
    """Runs as the members of one ensemble; their own calibrations are left out.

    ``options`` are those of the ensemble beside its members, such as its temperature.
    """

    name: str
    members: tuple[RunModel, ...]
    checkpoint: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of the members' hashes, in their order."""
        return hashlib.sha256("".join(member.sha256 for member in self.members).encode()).hexdigest()

    @property
    def description(self) -> ModelDescription:
        """What a bundle of this ensemble would say, as far as the network and its input go."""
        options = {"members": len(self.members), **self.options}
        return replace(self.members[0].description, name=self.name, family="ensemble", family_options=options)

    def network(self) -> nn.Module:
        """The network with its weights, on the CPU, in evaluation mode."""
        spec = self.members[0].configuration.network
        network = build(spec, "ensemble", members=len(self.members), **self.options).eval()
        network.load_state_dict(
            join_members([load_weights(run.run, self.checkpoint) for run in self.members])
        )
        return network

    def calibration(self) -> Mapping[str, Any] | None:
        """None: what `segment` returns is raw."""
        return None


def load_evaluated_ensemble(name: str, runs: Sequence[Path], checkpoint: str = BEST) -> EvaluatedModel:
    """Load runs as one subject.

    Raises
    ------
    OptionError
        A run has no usable checkpoint, or the runs cannot be members of one ensemble.
    """
    check_members(runs, [FitConfiguration.load(run) for run in runs])
    subjects = [load_evaluated_model(run, checkpoint) for run in runs]
    model = EnsembleModel(name, tuple(subject.run for subject in subjects), checkpoint)
    return replace(subjects[0], name=name, model=model)


def check_members(runs: Sequence[Path], configurations: Sequence[FitConfiguration]) -> None:
    """Refuse runs that differ in more than their seed: those of the table were seen by none.

    Raises
    ------
    OptionError
        Naming the run and the difference.
    """
    first = configurations[0]
    if first.family != MEMBER_FAMILY:
        raise OptionError(f"{runs[0]}: family {first.family}; an ensemble has {MEMBER_FAMILY} members")
    check_alike(runs, configurations)


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
