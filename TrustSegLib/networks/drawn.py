"""Families that average passes at inference: MC-dropout and Bayes by backprop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..layers import Drawn
from ..moments import ClassMoments, mixture_moments
from .deterministic_layers import DrawnLayers, DropoutLayers
from .network import Network, RandomWeights, tempered_softmax
from .options import FamilyOptions
from .spec import NetworkSpec

_DEFAULTS = FamilyOptions()


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
