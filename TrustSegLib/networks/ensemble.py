"""A deep ensemble of deterministic networks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..moments import ClassMoments, mixture_moments
from .deterministic import DeterministicNetwork
from .network import tempered_softmax
from .options import FamilyOptions
from .spec import NetworkSpec

_DEFAULTS = FamilyOptions()


class Ensemble(nn.Module):
    """Networks of one specification that were trained apart.

    Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive uncertainty estimation using deep
    ensembles, 2017.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture of every member.
    options : FamilyOptions
        Members and temperature.
    """

    family = "ensemble"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__()
        self.spec, self.options = spec, options
        self.members = nn.ModuleList(DeterministicNetwork(spec) for _ in range(options.members))

    @property
    def size_divisor(self) -> int:
        """Every spatial size of a patch is a multiple of this."""
        return self.spec.size_divisor

    def forward(self, x: Tensor) -> Tensor:
        """Image (B, C, D, H, W) to the logarithm of the members' mean probabilities, (B, K, D, H, W)."""
        logs = [torch.log_softmax(member(x).float(), dim=1) for member in self.members]
        return torch.logsumexp(torch.stack(logs), dim=0) - math.log(len(logs))

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to mean and variance over the members of the class probabilities."""
        return mixture_moments(
            tempered_softmax(member(x), self.options.temperature) for member in self.members
        )


def join_members(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """State dict of an ensemble from those of its members, deterministic networks of one specification.

    Raises
    ------
    OptionError
        There is no member, or the members differ in their tensors' names or shapes.
    """
    if not states:
        raise OptionError("ensemble: no member is given; train some deterministic networks first")
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    for number, found in enumerate(shapes):
        if found != shapes[0]:
            raise OptionError(f"ensemble: member {number} is of another spec than member 0; join equal ones")
    return {
        f"members.{number}.{name}": value
        for number, state in enumerate(states)
        for name, value in state.items()
    }
