"""Runs that differ only in their seed, and deterministic ones evaluated as one ensemble."""

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

#: Settings in which runs of one group may differ: where training starts, and the computer.
_OWN = ("seed", "data", "initialize_from", "precision", "devices", "num_nodes", "strategy", "cache")


@dataclass(frozen=True)
class EnsembleModel:
    """Runs as members of one ensemble, without their own calibrations.

    ``options`` are the ensemble's own, such as its temperature.
    """

    name: str
    members: tuple[RunModel, ...]
    checkpoint: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of the members' hashes, in their order."""
        return hashlib.sha256("".join(member.sha256 for member in self.members).encode()).hexdigest()

    @property
    def description(self) -> ModelDescription:
        """Description as in a bundle, as far as the network and its input go."""
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
        """None: `segment` returns uncalibrated results."""
        return None


def load_evaluated_ensemble(name: str, runs: Sequence[Path], checkpoint: str = BEST) -> EvaluatedModel:
    """Load runs as one ensemble to evaluate.

    Raises
    ------
    OptionError
        A run has no usable checkpoint, or the runs cannot be members of one ensemble.
    """
    check_members(runs, [FitConfiguration.load(run) for run in runs])
    models = [load_evaluated_model(run, checkpoint) for run in runs]
    model = EnsembleModel(name, tuple(evaluated.run for evaluated in models), checkpoint)
    return replace(models[0], name=name, model=model)


def check_members(runs: Sequence[Path], configurations: Sequence[FitConfiguration]) -> None:
    """Refuse runs that cannot be members: of another family, or different in more than their seed.

    Raises
    ------
    OptionError
        Naming the run and the difference.
    """
    first = configurations[0]
    if first.family != MEMBER_FAMILY:
        raise OptionError(f"{runs[0]}: family {first.family}; an ensemble has {MEMBER_FAMILY} members")
    check_alike(runs, configurations)


def check_alike(runs: Sequence[Path], configurations: Sequence[FitConfiguration]) -> None:
    """Refuse runs that differ in more than their seed, or not even in it.

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
                    f"{run}: has another {name.replace('_', '-')} than {runs[0].name}; runs of one group may "
                    "differ only in their seed"
                )
        if _split(run) != _split(runs[0]):
            raise OptionError(f"{run}: trained on other patients than {runs[0].name}; use one split for all")
    seeds = [configuration.seed for configuration in configurations]
    if len(set(seeds)) < len(seeds):
        raise OptionError(f"{runs[0]}: two of the runs have the same seed; train each with its own --seed")


def _split(run: Path) -> bytes | None:
    """Content of the split table; None for runs from before it was written."""
    table = run / SPLIT_TABLE
    return table.read_bytes() if table.is_file() else None
