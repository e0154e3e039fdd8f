"""The U-Net, written once for every family.

Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image segmentation, 2015;
with same-size convolutions (padded voxels have mean 0 and variance 0, never an invented variance).
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from .layer_set import LayerSet
from .spec import NetworkSpec


class UNet(nn.Module):
    """Encoder and decoder with skip connections.

    Parameters
    ----------
    spec : NetworkSpec
        Depth, width and kinds of layers.
    layers : LayerSet
        Deterministic or variational constructors.
    """

    def __init__(self, spec: NetworkSpec, layers: LayerSet) -> None:
        super().__init__()
        strided = spec.downsampling == "strided"
        channels = (spec.in_channels, *spec.filters)
        self.encoder = nn.ModuleList(
            _stage(layers, before, after, spec.convolutions, first_stride=2 if strided and level else 1)
            for level, (before, after) in enumerate(zip(channels, spec.filters, strict=False))
        )
        steps = len(spec.filters) - 1
        self.down = nn.ModuleList(nn.Identity() if strided else layers.pooling() for _ in range(steps))
        self.dropout = layers.dropout()
        pairs = list(pairwise(reversed(spec.filters)))
        self.up = nn.ModuleList(_up(spec, layers, deep, shallow) for deep, shallow in pairs)
        self.decoder = nn.ModuleList(
            _stage(layers, 2 * shallow, shallow, spec.convolutions) for _, shallow in pairs
        )
        self.head = layers.classification(spec.filters[0])
        self.concatenate = layers.concatenate

    def forward(self, x):
        """Image (B, C, D, H, W) to logits of (B, K, D, H, W), in the form of the layer set."""
        skips = []
        for stage, down in zip(self.encoder[:-1], self.down, strict=True):
            x = stage(x)
            skips.append(x)
            x = down(x)
        x = self.dropout(self.encoder[-1](x))
        for up, stage in zip(self.up, self.decoder, strict=True):
            x = stage(self.concatenate(skips.pop(), up(x)))
        return self.head(x)


def _stage(
    layers: LayerSet, in_channels: int, out_channels: int, convolutions: int, first_stride: int = 1
) -> nn.Sequential:
    """Convolution, normalization, activation; ``convolutions`` times."""
    blocks = []
    for position in range(convolutions):
        before, stride = (out_channels, 1) if position else (in_channels, first_stride)
        convolution = layers.convolution(before, out_channels, stride)
        blocks.append(nn.Sequential(convolution, *layers.normalized_activation(out_channels)))
    return nn.Sequential(*blocks)


def _up(spec: NetworkSpec, layers: LayerSet, deep: int, shallow: int) -> nn.Module:
    """To twice the size and to the skip's number of channels."""
    if spec.upsampling == "transposed":
        return layers.transposed_convolution(deep, shallow)
    return nn.Sequential(layers.projection(deep, shallow), layers.interpolation())
