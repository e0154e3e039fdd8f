"""The architectures U-Net, V-Net and FCN, each written once for all families."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from .layer_sets import LayerSet
from .registry import ARCHITECTURES
from .spec import NetworkSpec

#: Number of levels whose scores are summed.
_SUMMED_LEVELS = 3


def build_body(spec: NetworkSpec, layers: LayerSet) -> nn.Module:
    """Build the architecture of a specification from a layer set."""
    return ARCHITECTURES[spec.architecture].body_class()(spec, layers)


class UNet(nn.Module):
    """Encoder and decoder with skip connections.

    Parameters
    ----------
    spec : NetworkSpec
        Depth, width and kinds of layers.
    layers : LayerSet
        Constructors of its layers.
    """

    def __init__(self, spec: NetworkSpec, layers: LayerSet) -> None:
        super().__init__()
        self.encoder, self.down = encoder_stages(spec, layers), steps_down(spec, layers)
        self.dropout = layers.dropout()
        pairs = list(pairwise(reversed(spec.filters)))
        self.up = nn.ModuleList(step_up(spec, layers, deep, shallow) for deep, shallow in pairs)
        self.decoder = nn.ModuleList(
            stage(layers, 2 * shallow, shallow, spec.convolutions) for _, shallow in pairs
        )
        self.head = layers.classification(spec.filters[0])
        self.concatenate = layers.concatenate

    def forward(self, x):
        """Image (B, C, D, H, W) to logits (B, K, D, H, W), or to their moments if the layers give these."""
        skips = []
        for convolve, down in zip(self.encoder[:-1], self.down, strict=True):
            x = convolve(x)
            skips.append(x)
            x = down(x)
        x = self.dropout(self.encoder[-1](x))
        for up, convolve in zip(self.up, self.decoder, strict=True):
            x = convolve(self.concatenate(skips.pop(), up(x)))
        return self.head(x)


class VNet(nn.Module):
    """Residual encoder and decoder with skip connections.

    Parameters
    ----------
    spec : NetworkSpec
        Depth, width and kinds of layers; its ``downsampling`` is ignored.
    layers : LayerSet
        Constructors of its layers.
    """

    def __init__(self, spec: NetworkSpec, layers: LayerSet) -> None:
        super().__init__()
        first, steps = spec.filters[0], list(pairwise(spec.filters))
        self.entry = stage(layers, spec.in_channels, first, 1)
        self.down = nn.ModuleList(_step_down(layers, *step) for step in steps)
        self.encoder = nn.ModuleList(ResidualStage(layers, n, spec.convolutions) for n in spec.filters)
        self.dropout = layers.dropout()
        skips = spec.filters[-2::-1]
        below = (spec.filters[-1], *(2 * skip for skip in skips))
        self.up = nn.ModuleList(
            step_up(spec, layers, deep, skip) for deep, skip in zip(below, skips, strict=False)
        )
        self.decoder = nn.ModuleList(ResidualStage(layers, 2 * skip, spec.convolutions) for skip in skips)
        self.head = layers.classification(below[-1])
        self.concatenate = layers.concatenate

    def forward(self, x):
        """Image (B, C, D, H, W) to logits (B, K, D, H, W), or to their moments if the layers give these."""
        x, skips = self.encoder[0](self.entry(x)), []
        for down, convolve in zip(self.down, self.encoder[1:], strict=True):
            skips.append(x)
            x = convolve(down(x))
        x = self.dropout(x)
        for up, convolve in zip(self.up, self.decoder, strict=True):
            x = convolve(self.concatenate(skips.pop(), up(x)))
        return self.head(x)


class FCN(nn.Module):
    """Fully convolutional network: an encoder whose deepest levels are up-sampled and summed.

    Scores have as many channels as the first level has kernels, not one per class: the last 1x1 convolution
    maps them to the classes, with the classes' covariance. For Gaussians, means and variances add; the
    correlation of the scores is ignored, see `moments.add`.

    Parameters
    ----------
    spec : NetworkSpec
        Depth, width and kinds of layers.
    layers : LayerSet
        Constructors of its layers.
    """

    def __init__(self, spec: NetworkSpec, layers: LayerSet) -> None:
        super().__init__()
        self.encoder, self.down = encoder_stages(spec, layers), steps_down(spec, layers)
        self.dropout = layers.dropout()
        width = spec.filters[0]
        self.score = nn.ModuleList(layers.projection(n, width) for n in spec.filters[-_SUMMED_LEVELS:])
        self.up = nn.ModuleList(step_up(spec, layers, width, width) for _ in self.down)
        self.head = layers.classification(width)
        self.add = layers.add

    def forward(self, x):
        """Image (B, C, D, H, W) to logits (B, K, D, H, W), or to their moments if the layers give these."""
        levels = [self.encoder[0](x)]
        for down, convolve in zip(self.down, self.encoder[1:], strict=True):
            levels.append(convolve(down(levels[-1])))
        levels[-1] = self.dropout(levels[-1])
        scores = [score(level) for score, level in zip(self.score, levels[-len(self.score) :], strict=True)]
        total = scores.pop()
        for up in self.up:
            total = up(total)
            total = self.add(scores.pop(), total) if scores else total
        return self.head(total)


class ResidualStage(nn.Module):
    """``x + f(x)`` with f a chain of convolution, normalization and activation.

    For Gaussians, means and variances add; the correlation of x and f(x) is ignored, see `moments.add`.
    """

    def __init__(self, layers: LayerSet, channels: int, convolutions: int) -> None:
        super().__init__()
        self.chain = stage(layers, channels, channels, convolutions)
        self.add = layers.add

    def forward(self, x):
        """(B, C, ...) to (B, C, ...)."""
        return self.add(x, self.chain(x))


def stage(
    layers: LayerSet, in_channels: int, out_channels: int, convolutions: int, first_stride: int = 1
) -> nn.Sequential:
    """``convolutions`` times convolution, normalization and activation."""
    blocks = []
    for position in range(convolutions):
        before, stride = (out_channels, 1) if position else (in_channels, first_stride)
        convolution = layers.convolution(before, out_channels, stride)
        blocks.append(nn.Sequential(convolution, *layers.normalized_activation(out_channels)))
    return nn.Sequential(*blocks)


def encoder_stages(spec: NetworkSpec, layers: LayerSet) -> nn.ModuleList:
    """One stage per level; with strided down-sampling its first convolution has the stride."""
    strided = spec.downsampling == "strided"
    channels = (spec.in_channels, *spec.filters)
    return nn.ModuleList(
        stage(layers, before, after, spec.convolutions, first_stride=2 if strided and level else 1)
        for level, (before, after) in enumerate(zip(channels, spec.filters, strict=False))
    )


def steps_down(spec: NetworkSpec, layers: LayerSet) -> nn.ModuleList:
    """Pooling between the levels; the identity where the stages have strides."""
    steps = len(spec.filters) - 1
    strided = spec.downsampling == "strided"
    return nn.ModuleList(nn.Identity() if strided else layers.pooling() for _ in range(steps))


def step_up(spec: NetworkSpec, layers: LayerSet, in_channels: int, out_channels: int) -> nn.Module:
    """Up-sampling to twice the size and to another number of channels."""
    if spec.upsampling == "transposed":
        return layers.transposed_convolution(in_channels, out_channels)
    if spec.upsampling == "zero_insertion":
        return layers.zero_insertion(in_channels, out_channels)
    return nn.Sequential(layers.projection(in_channels, out_channels), layers.interpolation())


def _step_down(layers: LayerSet, in_channels: int, out_channels: int) -> nn.Sequential:
    convolution = layers.strided_convolution(in_channels, out_channels)
    return nn.Sequential(convolution, *layers.normalized_activation(out_channels))
