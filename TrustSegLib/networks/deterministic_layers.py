"""Layers with fixed weights, and those of the families that differ from them in one layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import layers, moments
from .spec import NetworkSpec


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
    """Deterministic layers, and dropout that draws at inference too."""

    def dropout(self) -> nn.Module:
        return layers.DrawnDropout(self.spec.dropout)


class VarianceHeadLayers(DeterministicLayers):
    """Deterministic layers, and logits with a learned variance."""

    def classification(self, in_channels: int) -> nn.Module:
        return layers.VarianceHead(in_channels, self.spec.classes, self.spec.dimensions)


class DrawnLayers(DeterministicLayers):
    """Deterministic layers whose convolutions draw their weights."""

    def convolution(self, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
        size = self.spec.kernel_size
        return self._drawn(in_channels, out_channels, size, stride=stride, padding=size // 2)

    def strided_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        return self._drawn(in_channels, out_channels, 2, stride=2)

    def transposed_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        return layers.DrawnTransposedConvolution(in_channels, out_channels, 2, self.spec.dimensions, stride=2)

    def zero_insertion(self, in_channels: int, out_channels: int) -> nn.Module:
        convolution = self._drawn(in_channels, out_channels, 2)
        return nn.Sequential(layers.Propagate(moments.insert_zeros), convolution)

    def projection(self, in_channels: int, out_channels: int) -> nn.Module:
        return self._drawn(in_channels, out_channels, 1)

    def classification(self, in_channels: int) -> nn.Module:
        return self._drawn(in_channels, self.spec.classes, 1)

    def _drawn(self, in_channels: int, out_channels: int, kernel_size: int, **options: int) -> nn.Module:
        return layers.DrawnConvolution(
            in_channels, out_channels, kernel_size, self.spec.dimensions, **options
        )


def _he_normal(layer: nn.Module) -> nn.Module:
    """The start that `layers.RandomKernels` uses, so that the twins begin alike."""
    fan_in = layer.in_channels * layer.weight[0, 0].numel()
    nn.init.normal_(layer.weight, std=(2 / fan_in) ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer
