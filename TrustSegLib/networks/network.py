"""What all families are: an architecture, its options, and class moments."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from TrustSegLib.layers import RandomKernels
from TrustSegLib.moments import LogitMoments

from .architectures import build_body
from .layer_sets import LayerSet
from .spec import FamilyOptions, NetworkSpec


class Network(nn.Module):
    """A body of layers of one edition.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    layers : LayerSet
        Constructors of the edition's layers.
    options : FamilyOptions
        May be replaced at any time, as by a temperature that was fitted.

    Attributes
    ----------
    family : str
        Name of the family.
    """

    family = ""

    def __init__(self, spec: NetworkSpec, layers: LayerSet, options: FamilyOptions) -> None:
        super().__init__()
        self.spec, self.options = spec, options
        self.body = build_body(spec, layers)

    @property
    def size_divisor(self) -> int:
        """Every spatial size of a patch is a multiple of this."""
        return self.spec.size_divisor

    def forward(self, x: Tensor) -> Tensor | LogitMoments:
        """Image (B, C, D, H, W) to logits (B, K, D, H, W) or their moments, before any temperature."""
        return self.body(x)


class RandomWeights(nn.Module):
    """A network whose convolutions are `RandomKernels`."""

    def random_layers(self) -> list[RandomKernels]:
        """The layers whose kernels are random."""
        return [module for module in self.modules() if isinstance(module, RandomKernels)]

    def kl_divergence(self) -> Tensor:
        """Sum over the layers of the divergence from their priors, in nats."""
        return torch.stack([layer.kl_divergence() for layer in self.random_layers()]).sum()

    def set_relative_variance(self, ratio: float) -> None:
        """Set every weight's variance to ``ratio`` times the mean square of its kernel's weights."""
        for layer in self.random_layers():
            layer.set_relative_variance(ratio)


def tempered_softmax(logits: Tensor, temperature: float) -> Tensor:
    """Probabilities (B, K, ...) of ``logits / T``, at least in float32."""
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.softmax(precise if temperature == 1 else precise / temperature, dim=1)


def tempered_moments(logits: LogitMoments, options: FamilyOptions) -> LogitMoments:
    """Mean by T, covariance by ``T^2`` and times the variance scale."""
    temperature, scale = options.temperature, options.variance_scale / options.temperature**2
    if temperature == 1 and scale == 1:
        return logits
    precise = torch.promote_types(logits.mean.dtype, torch.float32)
    return LogitMoments(logits.mean.to(precise) / temperature, logits.covariance.to(precise) * scale)
