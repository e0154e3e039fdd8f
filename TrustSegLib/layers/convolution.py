"""Convolutions with Gaussian kernels, one variance per kernel."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from TrustSegLib import moments
from TrustSegLib.moments import Gaussian, LogitMoments

#: Initial variance of a kernel, relative to the mean square of its weights.
INITIAL_RELATIVE_VARIANCE = 1e-2


class RandomKernels(nn.Module):
    """Random kernels: means ``weight``, variances ``s = softplus(rho)`` and a certain ``bias``.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and number of kernels.
    kernel_size : int
        The same along every axis.
    dimensions : int
        2 or 3.
    bias : bool
        Whether to add a bias, which has no variance.
    """

    #: Axis of the kernels in ``weight``.
    kernel_axis = 0

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, dimensions: int = 3, bias: bool = True
    ) -> None:
        super().__init__()
        channels = (in_channels, out_channels) if self.kernel_axis else (out_channels, in_channels)
        self.weight = nn.Parameter(torch.empty(*channels, *(kernel_size,) * dimensions))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.rho = nn.Parameter(self._empty_rho())
        nn.init.normal_(self.weight, std=math.sqrt(2 / (in_channels * kernel_size**dimensions)))
        if not self.weight.is_meta:  # the network of a bundle is built without values first
            self.set_relative_variance(INITIAL_RELATIVE_VARIANCE)

    def _empty_rho(self) -> Tensor:
        return torch.empty(self.weight.shape[self.kernel_axis])

    @property
    def weight_variance(self) -> Tensor:
        """s, (K,): the variance, not the standard deviation, of every weight of a kernel."""
        return F.softplus(self.rho)

    def kernels(self) -> Tensor:
        """Kernel means as rows, (K, d)."""
        return self.weight.movedim(self.kernel_axis, 0).flatten(1)

    @torch.no_grad()
    def set_relative_variance(self, ratio: float) -> None:
        """Set the variance of every kernel to ``ratio`` times the mean square of its weights."""
        variance = (ratio * self.kernels().square().mean(dim=1)).clamp_min(1e-10).double()
        self.rho.copy_(variance.expm1().log())  # the inverse of softplus

    def kl_divergence(self) -> Tensor:
        """Divergence from the layer's empirical Bayes prior, in nats; see `moments.empirical_divergence`."""
        return moments.empirical_divergence(self.kernels(), self.weight_variance)


class Convolution(RandomKernels):
    """2D or 3D convolution of a Gaussian, or of an image without noise.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, dimensions, bias
        See `RandomKernels`.
    stride, padding, dilation : int
        As in `torch.nn.Conv3d`.
    correlation : float
        Share of the variance that the voxels of a receptive field have in common; see `moments.convolution`.
    centered : bool
        Whether instance normalization follows; see `moments.convolution`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dimensions: int = 3,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
        correlation: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, dimensions, bias)
        self.options = {"stride": stride, "padding": padding, "dilation": dilation}
        self.options |= {"correlation": correlation, "centered": centered}

    def forward(self, x: Gaussian | Tensor) -> Gaussian:
        """(B, C, D, H, W) to (B, K, D', H', W')."""
        return moments.convolution(x, self.weight, self.weight_variance, self.bias, **self.options)


class TransposedConvolution(RandomKernels):
    """2D or 3D transposed convolution of a Gaussian; parameters as in `Convolution`."""

    kernel_axis = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dimensions: int = 3,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        correlation: float = 0.0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, dimensions, bias)
        self.options = {"stride": stride, "padding": padding, "correlation": correlation}

    def forward(self, x: Gaussian) -> Gaussian:
        """(B, C, D, H, W) to (B, K, D', H', W')."""
        return moments.transposed_convolution(x, self.weight, self.weight_variance, self.bias, **self.options)


class ClassConvolution(RandomKernels):
    """The last 1x1 convolution: class logits with their covariance; see `moments.class_logits`.

    Parameters
    ----------
    in_channels, classes : int
        Channels of the input and number of classes.
    dimensions, bias
        See `RandomKernels`.
    """

    def __init__(self, in_channels: int, classes: int, dimensions: int = 3, bias: bool = True) -> None:
        super().__init__(in_channels, classes, 1, dimensions, bias)

    def forward(self, x: Gaussian) -> LogitMoments:
        """(B, C, D, H, W) to moments of (B, K, D, H, W)."""
        return moments.class_logits(x, self.weight, self.weight_variance, self.bias)
