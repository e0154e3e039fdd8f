"""The U-Net, written once for every family.

Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image segmentation, 2015;
with same-size convolutions (padded voxels have mean 0 and variance 0, never an invented variance).
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from .layer_set import LayerSet
from .spec import NetworkSpec
from .stages import encoder_stages, stage, step_up, steps_down


class UNet(nn.Module):
    """Encoder and decoder with skip connections.

    Parameters
    ----------
    spec : NetworkSpec
        Depth, width and kinds of layers.
    layers : LayerSet
        Constructors of the layers of one edition.
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
        """Image (B, C, D, H, W) to logits of (B, K, D, H, W), in the form of the layer set."""
        skips = []
        for convolve, down in zip(self.encoder[:-1], self.down, strict=True):
            x = convolve(x)
            skips.append(x)
            x = down(x)
        x = self.dropout(self.encoder[-1](x))
        for up, convolve in zip(self.up, self.decoder, strict=True):
            x = convolve(self.concatenate(skips.pop(), up(x)))
        return self.head(x)
