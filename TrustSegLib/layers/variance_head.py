"""Class logits with a predicted variance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from TrustSegLib.moments import LogitMoments
from TrustSegLib.moments.convolution import CONVOLVE

#: Initial variance of every logit.
INITIAL_VARIANCE = 0.1


class VarianceHead(nn.Module):
    """Two 1x1 convolutions, for the mean and for the variance of every class logit.

    The errors of different classes are independent. ``weight`` and ``bias`` of the mean have the names of the
    deterministic head; the variance is ``softplus(rho_weight x + rho_bias)``.

    Parameters
    ----------
    in_channels, classes : int
        Channels of the input and number of classes.
    dimensions : int
        2 or 3.

    References
    ----------
    Kendall and Gal, What uncertainties do we need in Bayesian deep learning for computer vision?, 2017.
    """

    def __init__(self, in_channels: int, classes: int, dimensions: int = 3) -> None:
        super().__init__()
        shape = (classes, in_channels, *(1,) * dimensions)
        self.weight, self.bias = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.zeros(classes))
        nn.init.normal_(self.weight, std=(2 / in_channels) ** 0.5)
        start = torch.tensor(INITIAL_VARIANCE).expm1().log()
        self.rho_weight = nn.Parameter(torch.zeros(shape))
        self.rho_bias = nn.Parameter(start.expand(classes).clone())

    def forward(self, x: Tensor) -> LogitMoments:
        """(B, C, D, H, W) to moments of (B, K, D, H, W)."""
        convolve = CONVOLVE[x.dim() - 2]
        variance = F.softplus(convolve(x, self.rho_weight, self.rho_bias))
        classes = len(self.bias)
        own = torch.eye(classes, dtype=variance.dtype, device=variance.device)
        covariance = variance.unsqueeze(1) * own.view(classes, classes, *(1,) * (x.dim() - 2))
        return LogitMoments(convolve(x, self.weight, self.bias), covariance)
