"""Layer sets: the layers that an architecture is built from, deterministic, sampled or variational."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from TrustSegLib import layers, moments

from .spec import NetworkSpec

#: Share of the propagated variance that the voxels of a receptive field have in common, fitted to the sampled
#: variances of trained U-Nets (0.5 to 0.6). Adjacent voxels correlate more (0.97), the ends of a field less.
NEIGHBOR_CORRELATION = 0.6


class LayerSet(Protocol):
    """Constructors of the layers of an architecture."""

    spec: NetworkSpec

    def convolution(self, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module: ...
    def strided_convolution(self, in_channels: int, out_channels: int) -> nn.Module: ...
    def normalized_activation(self, channels: int) -> list[nn.Module]: ...
    def pooling(self) -> nn.Module: ...
    def transposed_convolution(self, in_channels: int, out_channels: int) -> nn.Module: ...
    def zero_insertion(self, in_channels: int, out_channels: int) -> nn.Module: ...
    def interpolation(self) -> nn.Module: ...
    def projection(self, in_channels: int, out_channels: int) -> nn.Module: ...
    def dropout(self) -> nn.Module: ...
    def classification(self, in_channels: int) -> nn.Module: ...
    def concatenate(self, *parts): ...
    def add(self, *parts): ...


class DeterministicLayers:
    """Layers of `torch.nn`."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        three = spec.dimensions == 3
        self._conv = nn.Conv3d if three else nn.Conv2d
        self._transposed = nn.ConvTranspose3d if three else nn.ConvTranspose2d
        self._batch_norm = nn.BatchNorm3d if three else nn.BatchNorm2d
        self._instance_norm = nn.InstanceNorm3d if three else nn.InstanceNorm2d
        self._max_pool = nn.MaxPool3d if three else nn.MaxPool2d
        self._average_pool = nn.AvgPool3d if three else nn.AvgPool2d
        self._linear = "trilinear" if three else "bilinear"

    def convolution(self, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
        size = self.spec.kernel_size
        return _he_normal(self._conv(in_channels, out_channels, size, stride, size // 2))

    def strided_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        return _he_normal(self._conv(in_channels, out_channels, 2, 2))

    def normalized_activation(self, channels: int) -> list[nn.Module]:
        return [self._normalization(channels), self._activation()]

    def _normalization(self, channels: int) -> nn.Module:
        kind = self.spec.normalization
        if kind == "instance":
            return self._instance_norm(channels, affine=True)
        if kind == "group":
            return nn.GroupNorm(self.spec.groups, channels)
        return self._batch_norm(channels) if kind == "batch" else nn.Identity()

    def _activation(self) -> nn.Module:
        if self.spec.activation == "relu":
            return nn.ReLU(inplace=True)
        return nn.LeakyReLU(self.spec.negative_slope, inplace=True)

    def pooling(self) -> nn.Module:
        return self._max_pool(2) if self.spec.downsampling == "max" else self._average_pool(2)

    def transposed_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        return _he_normal(self._transposed(in_channels, out_channels, 2, 2))

    def zero_insertion(self, in_channels: int, out_channels: int) -> nn.Module:
        convolution = _he_normal(self._conv(in_channels, out_channels, 2))
        return nn.Sequential(layers.Propagate(moments.insert_zeros), convolution)

    def interpolation(self) -> nn.Module:
        linear = self.spec.upsampling == "linear"
        return nn.Upsample(
            scale_factor=2,
            mode=self._linear if linear else "nearest",
            align_corners=False if linear else None,
        )

    def projection(self, in_channels: int, out_channels: int) -> nn.Module:
        return _he_normal(self._conv(in_channels, out_channels, 1))

    def dropout(self) -> nn.Module:
        return nn.Dropout(self.spec.dropout) if self.spec.dropout else nn.Identity()

    def classification(self, in_channels: int) -> nn.Module:
        return _he_normal(self._conv(in_channels, self.spec.classes, 1))

    def concatenate(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, dim=1)

    def add(self, *parts: Tensor) -> Tensor:
        return sum(parts[1:], parts[0])


class DropoutLayers(DeterministicLayers):
    """Deterministic layers, with dropout that is random at inference as well."""

    def dropout(self) -> nn.Module:
        return layers.SampledDropout(self.spec.dropout)


class VarianceHeadLayers(DeterministicLayers):
    """Deterministic layers, with a predicted variance of the logits."""

    def classification(self, in_channels: int) -> nn.Module:
        return layers.VarianceHead(in_channels, self.spec.classes, self.spec.dimensions)


class SampledLayers(DeterministicLayers):
    """Deterministic layers, with convolutions that sample their weights."""

    def convolution(self, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
        size = self.spec.kernel_size
        return self._sampled(in_channels, out_channels, size, stride=stride, padding=size // 2)

    def strided_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        return self._sampled(in_channels, out_channels, 2, stride=2)

    def transposed_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        return layers.SampledTransposedConvolution(
            in_channels, out_channels, 2, self.spec.dimensions, stride=2
        )

    def zero_insertion(self, in_channels: int, out_channels: int) -> nn.Module:
        convolution = self._sampled(in_channels, out_channels, 2)
        return nn.Sequential(layers.Propagate(moments.insert_zeros), convolution)

    def projection(self, in_channels: int, out_channels: int) -> nn.Module:
        return self._sampled(in_channels, out_channels, 1)

    def classification(self, in_channels: int) -> nn.Module:
        return self._sampled(in_channels, self.spec.classes, 1)

    def _sampled(self, in_channels: int, out_channels: int, kernel_size: int, **options: int) -> nn.Module:
        return layers.SampledConvolution(
            in_channels, out_channels, kernel_size, self.spec.dimensions, **options
        )


class VariationalLayers:
    """Layers that propagate mean and variance.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    propagation : str
        One of `PROPAGATIONS`.
    """

    bias = True

    def __init__(self, spec: NetworkSpec, propagation: str) -> None:
        self.spec = spec
        self._correlation = NEIGHBOR_CORRELATION if propagation == "correlated" else 0.0
        slope = 0.0 if spec.activation == "relu" else spec.negative_slope
        self._rectifier = layers.rectifier(slope, propagation)

    def convolution(self, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
        size = self.spec.kernel_size
        return self._convolution(
            in_channels,
            out_channels,
            size,
            stride=stride,
            padding=size // 2,
            **self._shared_noise(),
        )

    def strided_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        return self._convolution(in_channels, out_channels, 2, stride=2, **self._shared_noise())

    def _shared_noise(self) -> dict:
        """Options of convolutions that are followed by a normalization."""
        centered = bool(self._correlation) and self.spec.normalization == "instance"
        return {"correlation": self._correlation, "centered": centered}

    def normalized_activation(self, channels: int) -> list[nn.Module]:
        kind = self.spec.normalization
        if kind == "instance":
            return [layers.InstanceNorm(channels, self._rectifier)]
        if kind == "group":
            return [layers.GroupNorm(self.spec.groups, channels, self._rectifier)]
        activation = layers.Propagate(moments.activate, rectifier=self._rectifier)
        return [layers.BatchNorm(channels) if kind == "batch" else nn.Identity(), activation]

    def pooling(self) -> nn.Module:
        if self.spec.downsampling == "max":
            return layers.MaxPool(2)
        return layers.AveragePool(2, correlation=self._correlation)

    def transposed_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        options = {"stride": 2, "bias": self.bias, "correlation": self._correlation}
        return layers.TransposedConvolution(in_channels, out_channels, 2, self.spec.dimensions, **options)

    def zero_insertion(self, in_channels: int, out_channels: int) -> nn.Module:
        # The kernel sees one voxel per channel: there are no neighbors to correlate.
        convolution = self._convolution(in_channels, out_channels, 2)
        return nn.Sequential(layers.Propagate(moments.insert_zeros), convolution)

    def interpolation(self) -> nn.Module:
        return layers.Upsample(2, self.spec.upsampling, correlation=self._correlation)

    def projection(self, in_channels: int, out_channels: int) -> nn.Module:
        return self._convolution(in_channels, out_channels, 1)

    def dropout(self) -> nn.Module:
        return layers.Dropout(self.spec.dropout) if self.spec.dropout else nn.Identity()

    def classification(self, in_channels: int) -> nn.Module:
        return layers.ClassConvolution(in_channels, self.spec.classes, self.spec.dimensions, self.bias)

    def concatenate(self, *parts):
        return moments.concatenate(*parts)

    def add(self, *parts):
        return moments.add(*parts)

    def _convolution(self, in_channels: int, out_channels: int, kernel_size: int, **options) -> nn.Module:
        return layers.Convolution(
            in_channels, out_channels, kernel_size, self.spec.dimensions, bias=self.bias, **options
        )


class PublishedLayers(VariationalLayers):
    """First-order layers without biases, as in SUPER-Net."""

    bias = False

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec, "taylor")


def _he_normal(layer: nn.Module) -> nn.Module:
    """Initialize as `layers.RandomKernels` does, so that all families start alike."""
    fan_in = layer.in_channels * layer.weight[0, 0].numel()
    nn.init.normal_(layer.weight, std=(2 / fan_in) ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer
