"""A fully convolutional network with skip sums, written once for every family.

Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, CVPR 2015 (FCN-8s): the
three deepest levels are scored, brought to one size and summed, and the sum to the size of the image.
"""

from __future__ import annotations

from torch import nn

from .layer_set import LayerSet
from .spec import NetworkSpec
from .stages import encoder_stages, step_up, steps_down

#: Levels whose scores are summed.
_SUMMED_LEVELS = 3


class FCN(nn.Module):
    """Encoder whose deepest levels are summed, without a decoder.

    Scores have as many channels as the first level has kernels, not as there are classes: the last 1x1
    convolution tells the classes apart and gives their covariance. For Gaussians means and variances add;
    the correlation of the scores is not carried, see `moments.add`.

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
        width = spec.filters[0]
        self.score = nn.ModuleList(layers.projection(n, width) for n in spec.filters[-_SUMMED_LEVELS:])
        self.up = nn.ModuleList(step_up(spec, layers, width, width) for _ in self.down)
        self.head = layers.classification(width)
        self.add = layers.add

    def forward(self, x):
        """Image (B, C, D, H, W) to logits of (B, K, D, H, W), in the form of the layer set."""
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
