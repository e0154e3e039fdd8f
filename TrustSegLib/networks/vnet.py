"""The V-Net, written once for every family.

Milletari, Navab and Ahmadi, V-Net: fully convolutional neural networks for volumetric medical image
segmentation, 3DV 2016: residual stages, strided convolutions down, a decoder as wide as skip and path
together. Kernel size, convolutions per stage, normalization and activation are those of the specification.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from .layer_set import LayerSet
from .spec import NetworkSpec
from .stages import stage, step_up


class ResidualStage(nn.Module):
    """``x + f(x)`` with f a chain of convolution, normalization and activation.

    For Gaussians means and variances add; the correlation of x and f(x) is not carried, see `moments.add`.
    """

    def __init__(self, layers: LayerSet, channels: int, convolutions: int) -> None:
        super().__init__()
        self.chain = stage(layers, channels, channels, convolutions)
        self.add = layers.add

    def forward(self, x):
        """(B, C, ...) to (B, C, ...)."""
        return self.add(x, self.chain(x))


class VNet(nn.Module):
    """Residual encoder and decoder with skip connections.

    Parameters
    ----------
    spec : NetworkSpec
        Depth, width and kinds of layers; its ``downsampling`` is not looked at.
    layers : LayerSet
        Constructors of the layers of one edition.
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
        """Image (B, C, D, H, W) to logits of (B, K, D, H, W), in the form of the layer set."""
        x, skips = self.encoder[0](self.entry(x)), []
        for down, convolve in zip(self.down, self.encoder[1:], strict=True):
            skips.append(x)
            x = convolve(down(x))
        x = self.dropout(x)
        for up, convolve in zip(self.up, self.decoder, strict=True):
            x = convolve(self.concatenate(skips.pop(), up(x)))
        return self.head(x)


def _step_down(layers: LayerSet, in_channels: int, out_channels: int) -> nn.Sequential:
    convolution = layers.strided_convolution(in_channels, out_channels)
    return nn.Sequential(convolution, *layers.normalized_activation(out_channels))
