"""Class logits with a variance that the network learns to tell."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from TrustSegLib.moments import LogitMoments

_CONVOLVE = {2: F.conv2d, 3: F.conv3d}

#: Logit variance at the start.
INITIAL_VARIANCE = 0.1


class VarianceHead(nn.Module):
    """1x1 convolutions to the mean and to the variance of every class logit.

    The classes' errors are independent. ``weight`` and ``bias`` of the mean are named as in the deterministic
    head; ``rho_weight`` and ``rho_bias`` give the variance ``softplus(rho_weight x + rho_bias)``.

    Parameters
    ----------
    in_channels, classes, dimensions : int
        ``dimensions`` is 2 or 3.

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
        convolve = _CONVOLVE[x.dim() - 2]
        variance = F.softplus(convolve(x, self.rho_weight, self.rho_bias))
        classes = len(self.bias)
        own = torch.eye(classes, dtype=variance.dtype, device=variance.device)
        covariance = variance.unsqueeze(1) * own.view(classes, classes, *(1,) * (x.dim() - 2))
        return LogitMoments(convolve(x, self.weight, self.bias), covariance)
