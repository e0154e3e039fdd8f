"""Families to compare with: deterministic, variance head, MC dropout, Bayes by backprop, deep ensemble."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from TrustSegLib.errors import OptionError
from TrustSegLib.layers import Sampled
from TrustSegLib.moments import ClassMoments, mixture_moments, readout_exact

from .layer_sets import DeterministicLayers, DropoutLayers, SampledLayers, VarianceHeadLayers
from .network import Network, RandomWeights, check_bias, tempered_moments, tempered_softmax
from .spec import FamilyOptions, NetworkSpec

_DEFAULTS = FamilyOptions()


class DeterministicNetwork(Network):
    """A network with fixed weights; its class probabilities have no variance."""

    family = "deterministic"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__(spec, DeterministicLayers(spec), options)

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to class probabilities with variance 0."""
        p = tempered_softmax(self(x), self.options)
        return ClassMoments(p, torch.zeros_like(p))


class VarianceHeadNetwork(Network):
    """A network with fixed weights whose last layer also predicts the variance of every logit.

    See `layers.VarianceHead`. This is the aleatoric variance, of the data, not that of the weights.
    """

    family = "variance_head"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__(spec, VarianceHeadLayers(spec), options)

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to mean and variance of the class probabilities."""
        return readout_exact(tempered_moments(self(x), self.options))


@contextmanager
def sampling_from(network: nn.Module, generator: torch.Generator) -> Iterator[None]:
    """Let the network's random layers draw from a generator within a `with` block."""
    layers = [module for module in network.modules() if isinstance(module, Sampled)]
    for layer in layers:
        layer.generator = generator
    try:
        yield
    finally:
        for layer in layers:
            layer.generator = None


class SampledNetwork(Network):
    """A network whose class moments are those of several random passes.

    For every input the passes draw from a new generator, seeded by the option ``seed``: all patches of a
    volume get the same masks or kernels, and the global random numbers are not touched.
    """

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to mean and variance of the class probabilities over ``passes`` passes."""
        generator = torch.Generator(device=x.device).manual_seed(self.options.seed)
        with sampling_from(self, generator):
            return mixture_moments(
                tempered_softmax(self(x), self.options) for _ in range(self.options.passes)
            )


class DropoutNetwork(SampledNetwork):
    """Monte Carlo dropout at the bottleneck.

    Raises
    ------
    OptionError
        The specification has dropout 0.

    References
    ----------
    Gal and Ghahramani, Dropout as a Bayesian approximation, ICML 2016.
    """

    family = "mc_dropout"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        if not spec.dropout:
            raise OptionError("network: mc_dropout draws nothing at dropout 0; choose one such as 0.5")
        super().__init__(spec, DropoutLayers(spec), options)


class BayesByBackprop(RandomWeights, SampledNetwork):
    """Gaussian weights, each of its own variance, trained by local reparameterization.

    See `layers.SampledConvolution`. In evaluation mode ``forward`` uses the means.
    """

    family = "bayes_by_backprop"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__(spec, SampledLayers(spec), options)


class Ensemble(nn.Module):
    """Deep ensemble: deterministic networks of one specification, trained separately.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture of every member.
    options : FamilyOptions
        Number of members, temperature and class bias.

    References
    ----------
    Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive uncertainty estimation using deep
    ensembles, NeurIPS 2017.
    """

    family = "ensemble"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__()
        check_bias(spec, options)
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
        return mixture_moments(tempered_softmax(member(x), self.options) for member in self.members)


def join_members(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Join the state dicts of deterministic networks to that of an ensemble.

    Parameters
    ----------
    states : list of dict
        State dicts of the members, networks of one specification.

    Returns
    -------
    dict of str to Tensor
        State dict of an `Ensemble` of as many members.

    Raises
    ------
    OptionError
        There is no member, or the members' tensors differ in name or shape.
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
