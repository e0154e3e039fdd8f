"""Base classes of the families: an architecture with its layers and options."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from TrustSegLib.layers import RandomKernels
from TrustSegLib.moments import LogitMoments

from .architectures import build_body
from .layer_sets import LayerSet
from .spec import FamilyOptions, NetworkSpec


class Network(nn.Module):
    """An architecture built from one layer set; a family adds ``class_moments``.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    layers : LayerSet
        Constructors of the layers.
    options : FamilyOptions
        May be replaced at any time, as when a temperature was fitted.

    Attributes
    ----------
    family : str
        Name of the family in `FAMILIES`.
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
        """Divergence of the weights from their priors, summed over the layers, in nats."""
        return torch.stack([layer.kl_divergence() for layer in self.random_layers()]).sum()

    def set_relative_variance(self, ratio: float) -> None:
        """Set the variance of every weight to ``ratio`` times the mean square of its kernel's weights."""
        for layer in self.random_layers():
            layer.set_relative_variance(ratio)


def tempered_softmax(logits: Tensor, temperature: float) -> Tensor:
    """Softmax (B, K, ...) of ``logits / T``, at least in float32."""
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.softmax(precise if temperature == 1 else precise / temperature, dim=1)


def tempered_moments(logits: LogitMoments, options: FamilyOptions) -> LogitMoments:
    """Moments of ``logits / T``, with the covariance multiplied by the variance scale."""
    temperature, scale = options.temperature, options.variance_scale / options.temperature**2
    if temperature == 1 and scale == 1:
        return logits
    precise = torch.promote_types(logits.mean.dtype, torch.float32)
    return LogitMoments(logits.mean.to(precise) / temperature, logits.covariance.to(precise) * scale)
