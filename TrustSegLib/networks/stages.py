"""Parts that several architectures have in common."""

from __future__ import annotations

from torch import nn

from .layer_set import LayerSet
from .spec import NetworkSpec


def stage(
    layers: LayerSet, in_channels: int, out_channels: int, convolutions: int, first_stride: int = 1
) -> nn.Sequential:
    """Convolution, normalization, activation; ``convolutions`` times."""
    blocks = []
    for position in range(convolutions):
        before, stride = (out_channels, 1) if position else (in_channels, first_stride)
        convolution = layers.convolution(before, out_channels, stride)
        blocks.append(nn.Sequential(convolution, *layers.normalized_activation(out_channels)))
    return nn.Sequential(*blocks)


def encoder_stages(spec: NetworkSpec, layers: LayerSet) -> nn.ModuleList:
    """One stage per level; with strided down-sampling their first convolutions step down."""
    strided = spec.downsampling == "strided"
    channels = (spec.in_channels, *spec.filters)
    return nn.ModuleList(
        stage(layers, before, after, spec.convolutions, first_stride=2 if strided and level else 1)
        for level, (before, after) in enumerate(zip(channels, spec.filters, strict=False))
    )


def steps_down(spec: NetworkSpec, layers: LayerSet) -> nn.ModuleList:
    """Pooling between the levels; nothing where the stages step down themselves."""
    steps = len(spec.filters) - 1
    strided = spec.downsampling == "strided"
    return nn.ModuleList(nn.Identity() if strided else layers.pooling() for _ in range(steps))


def step_up(spec: NetworkSpec, layers: LayerSet, in_channels: int, out_channels: int) -> nn.Module:
    """To twice the size and to another number of channels."""
    if spec.upsampling == "transposed":
        return layers.transposed_convolution(in_channels, out_channels)
    if spec.upsampling == "zero_insertion":
        return layers.zero_insertion(in_channels, out_channels)
    return nn.Sequential(layers.projection(in_channels, out_channels), layers.interpolation())
