"""Base classes of the families: an architecture with its layers and options."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from TrustSegLib.errors import OptionError
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

    Raises
    ------
    OptionError
        The class bias has not one number for each structure.

    Attributes
    ----------
    family : str
        Name of the family in `FAMILIES`.
    """

    family = ""

    def __init__(self, spec: NetworkSpec, layers: LayerSet, options: FamilyOptions) -> None:
        super().__init__()
        check_bias(spec, options)
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


def check_bias(spec: NetworkSpec, options: FamilyOptions) -> None:
    """Refuse a class bias that has not one number for each structure."""
    if len(options.class_bias) not in (0, spec.classes - 1):
        raise OptionError(
            f"network: class_bias has {len(options.class_bias)} numbers; give {spec.classes - 1}, one for "
            "each structure"
        )


def tempered_softmax(logits: Tensor, options: FamilyOptions) -> Tensor:
    """Softmax (B, K, ...) of ``(logits + bias) / T``, at least in float32."""
    precise = biased(logits.to(torch.promote_types(logits.dtype, torch.float32)), options)
    return torch.softmax(precise if options.temperature == 1 else precise / options.temperature, dim=1)


def tempered_moments(logits: LogitMoments, options: FamilyOptions) -> LogitMoments:
    """Moments of ``(logits + bias) / T``, with the covariance multiplied by the variance scale."""
    temperature, scale = options.temperature, options.variance_scale / options.temperature**2
    if temperature == 1 and scale == 1 and not options.class_bias:
        return logits
    precise = torch.promote_types(logits.mean.dtype, torch.float32)
    mean = biased(logits.mean.to(precise), options)
    return LogitMoments(mean / temperature, logits.covariance.to(precise) * scale)


def biased(logits: Tensor, options: FamilyOptions) -> Tensor:
    """Logits (B, K, ...) with the class bias, of which the background has none."""
    if not options.class_bias:
        return logits
    bias = logits.new_tensor((0.0, *options.class_bias))
    return logits + bias.view(-1, *(1,) * (logits.dim() - 2))
