"""Families to compare with: deterministic, variance head, MC-dropout, Bayes by backprop, deep ensemble."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from TrustSegLib.errors import OptionError
from TrustSegLib.layers import Drawn
from TrustSegLib.moments import ClassMoments, mixture_moments, readout_exact

from .layer_sets import DeterministicLayers, DrawnLayers, DropoutLayers, VarianceHeadLayers
from .network import Network, RandomWeights, tempered_moments, tempered_softmax
from .spec import FamilyOptions, NetworkSpec

_DEFAULTS = FamilyOptions()


class DeterministicNetwork(Network):
    """A network with fixed weights; its class probabilities have no variance."""

    family = "deterministic"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__(spec, DeterministicLayers(spec), options)

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to class probabilities with variance 0."""
        p = tempered_softmax(self(x), self.options.temperature)
        return ClassMoments(p, torch.zeros_like(p))


class VarianceHeadNetwork(Network):
    """A network with fixed weights whose last layer also tells the variance of every logit.

    See `layers.VarianceHead`. The variance is what the data leave open (aleatoric), not what the weights do.
    """

    family = "variance_head"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__(spec, VarianceHeadLayers(spec), options)

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to mean and variance of the class probabilities."""
        return readout_exact(tempered_moments(self(x), self.options))


@contextmanager
def drawing_from(network: nn.Module, generator: torch.Generator) -> Iterator[None]:
    """Let the network's random layers draw from a generator for a while."""
    layers = [module for module in network.modules() if isinstance(module, Drawn)]
    for layer in layers:
        layer.generator = generator
    try:
        yield
    finally:
        for layer in layers:
            layer.generator = None


class DrawnNetwork(Network):
    """A network whose class moments are those over several passes.

    The passes draw from a generator of their own that starts at the option ``seed`` for every input: the same
    masks or kernels serve all patches of a volume, and no other random numbers are touched.
    """

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to mean and variance of the class probabilities over ``passes`` passes."""
        generator = torch.Generator(device=x.device).manual_seed(self.options.seed)
        with drawing_from(self, generator):
            return mixture_moments(
                tempered_softmax(self(x), self.options.temperature) for _ in range(self.options.passes)
            )


class DropoutNetwork(DrawnNetwork):
    """Monte Carlo dropout at the bottleneck.

    Gal and Ghahramani, Dropout as a Bayesian approximation, ICML 2016.

    Raises
    ------
    OptionError
        The specification has no dropout.
    """

    family = "mc_dropout"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        if not spec.dropout:
            raise OptionError("network: mc_dropout draws nothing at dropout 0; choose one such as 0.5")
        super().__init__(spec, DropoutLayers(spec), options)


class BayesByBackprop(RandomWeights, DrawnNetwork):
    """Gaussian weights, one variance each, trained by local reparameterization.

    See `layers.DrawnConvolution`. In evaluation a single ``forward`` uses the means.
    """

    family = "bayes_by_backprop"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__(spec, DrawnLayers(spec), options)


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
