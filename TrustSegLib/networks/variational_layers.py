"""Layers with Gaussian weights that carry mean and variance."""

from __future__ import annotations

from torch import nn

from .. import layers, moments
from .spec import NetworkSpec

#: Share of a propagated variance that the voxels of a receptive field have in common: what fits the sampled
#: variances of trained U-Nets best (.5-.6).
#: Voxels side by side correlate more (.97), a field's ends less.
NEIGHBOR_CORRELATION = 0.6


class VariationalLayers:
    """Layers of `TrustSegLib.layers`, for one propagation mode."""

    bias = True

    def __init__(self, spec: NetworkSpec, propagation: str) -> None:
        self.spec = spec
        self._correlation = NEIGHBOR_CORRELATION if propagation == "correlated" else 0.0
        rectifier = moments.TaylorRectifier if propagation == "taylor" else moments.ExactRectifier
        self._rectifier = rectifier(0.0 if spec.activation == "relu" else spec.negative_slope)

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
        """For convolutions that a normalization follows."""
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
            return layers.Propagate(moments.max_pool, kernel_size=2)
        return layers.Propagate(moments.average_pool, kernel_size=2, correlation=self._correlation)

    def transposed_convolution(self, in_channels: int, out_channels: int) -> nn.Module:
        options = {"stride": 2, "bias": self.bias, "correlation": self._correlation}
        return layers.TransposedConvolution(in_channels, out_channels, 2, self.spec.dimensions, **options)

    def zero_insertion(self, in_channels: int, out_channels: int) -> nn.Module:
        # Of each channel the kernel sees one voxel: there are no neighbors to correlate.
        convolution = self._convolution(in_channels, out_channels, 2)
        return nn.Sequential(layers.Propagate(moments.insert_zeros), convolution)

    def interpolation(self) -> nn.Module:
        if self.spec.upsampling == "nearest":
            return layers.Propagate(moments.upsample_nearest, scale=2)
        return layers.Propagate(moments.upsample_linear, scale=2, correlation=self._correlation)

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
