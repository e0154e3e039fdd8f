"""Moments of convolutions with random kernels ``vec(W_k) ~ N(m_k, s_k I)``.

For an independent random input the output's variance is ``s_k sum(mu^2 + v) + sum m_k^2 v`` over the
receptive field (Carannante et al., SUPER-Net). The first sum is the same for every kernel: one single-channel
box filter. Only the second is a convolution.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .channel_correlation import (
    CorrelatedGaussian,
    cells_of,
    common_covariance,
    correlated,
    diagonal,
    from_cells,
    in_cells,
    on_grid,
    pointwise_covariances,
)
from .gaussian import SMALLEST_VARIANCE, Gaussian
from .power import power

CONVOLVE = {2: F.conv2d, 3: F.conv3d}
CONVOLVE_TRANSPOSED = {2: F.conv_transpose2d, 3: F.conv_transpose3d}


def convolution(
    x: Gaussian | Tensor,
    weight: Tensor,
    weight_variance: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    correlation: float = 0.0,
    centered: bool = False,
) -> Gaussian:
    """Convolve a Gaussian, or an input without noise, with random kernels.

    Parameters
    ----------
    x : Gaussian or Tensor
        (B, C, D, H, W) or (B, C, H, W). A tensor has no noise, such as an image.
    weight : Tensor
        Kernel means, (K, C, k, k, k) or (K, C, k, k).
    weight_variance : Tensor
        (K,), one variance for all weights of a kernel.
    bias : Tensor, optional
        (K,), certain.
    stride, padding, dilation : int
        As in `torch.nn.functional.conv3d`. Padded voxels have mean 0 and variance 0.
    correlation : float
        Share r of the propagated variance that all voxels of a receptive field have in common; 0 treats
        voxels and channels as independent. Otherwise the propagated term is
        ``(1-r) sum m^2 v + r sum_cc' M_c M_c' R_cc' sd_c sd_c'`` with M the sum of the kernel, sd the mean
        over its field and R the correlation of the channels, which the output carries.
    centered : bool
        Whether the output's mean over each image and channel is subtracted next, as instance normalization
        does. A kernel's noise then counts only as far as its field differs from the image's mean field.

    Returns
    -------
    Gaussian
        (B, K, D', H', W'); a `CorrelatedGaussian` if r is not 0 and the input is random.
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    convolve = CONVOLVE[weight.dim() - 2]
    certain = isinstance(x, Tensor)
    mean = convolve(x if certain else x.mean, weight, bias, **options)
    field = box_sum(power(x), tuple(weight.shape[2:]), **options)
    if centered:
        field = _centered_field(field, x if certain else x.mean, weight, options)
    if certain:
        return Gaussian(mean, _add_kernel_noise(None, weight_variance, field))
    variance = convolve(x.variance, weight.square(), **options)
    if not correlation:
        return Gaussian(mean, _add_kernel_noise(variance, weight_variance, field))
    shared, covariance = _shared_noise(x, weight, options)
    variance = torch.lerp(variance, shared, correlation)
    return correlated(mean, _add_kernel_noise(variance, weight_variance, field), correlation * covariance)


def transposed_convolution(
    x: Gaussian,
    weight: Tensor,
    weight_variance: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
    correlation: float = 0.0,
) -> Gaussian:
    """Transposed convolution of a Gaussian with random kernels.

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    weight : Tensor
        Kernel means, (C, K, k, k, k) or (C, K, k, k), PyTorch's layout.
    weight_variance, bias, correlation
        As in `convolution`.
    stride, padding, output_padding, dilation : int
        As in `torch.nn.functional.conv_transpose3d`.

    Returns
    -------
    Gaussian
        (B, K, D', H', W').
    """
    options = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    convolve = CONVOLVE_TRANSPOSED[weight.dim() - 2]
    mean = convolve(x.mean, weight, bias, **options)
    variance = convolve(x.variance, weight.square(), **options)
    if correlation:
        deviation = x.variance.clamp_min(SMALLEST_VARIANCE).sqrt()
        together = _sum_of_squared_channels(convolve, deviation, weight.transpose(0, 1), options)
        variance = torch.lerp(variance, together, correlation)
    box = weight.new_ones(1, 1, *weight.shape[2:])
    field = convolve(power(x), box, **options)
    if (
        isinstance(x, CorrelatedGaussian)
        and set(weight.shape[2:]) == {stride}
        and not (padding or output_padding)
    ):
        variance, shared = _step_up(x, weight, stride, variance)
        return correlated(mean, _add_kernel_noise(variance, weight_variance, field), shared)
    return Gaussian(mean, _add_kernel_noise(variance, weight_variance, field))


def box_sum(x: Tensor, kernel_size: tuple[int, ...], stride: int, padding: int, dilation: int) -> Tensor:
    """Sum over a kernel's receptive field, one axis after the other.

    Parameters
    ----------
    x : Tensor
        (B, 1, D, H, W) or (B, 1, H, W).
    kernel_size, stride, padding, dilation
        Those of the convolution.

    Returns
    -------
    Tensor
        (B, 1, D', H', W'), on the grid of the convolution's output.
    """
    x = F.pad(x, (padding, padding) * len(kernel_size))
    for axis, size in enumerate(kernel_size, start=2):
        span = (x.shape[axis] - dilation * (size - 1) - 1) // stride * stride + 1
        shifted = [x.narrow(axis, tap * dilation, span) for tap in range(size)]
        x = sum(shifted[1:], shifted[0])
        if stride > 1:
            x = x[(slice(None),) * axis + (slice(None, None, stride),)]
    return x


def _add_kernel_noise(variance: Tensor | None, weight_variance: Tensor, field: Tensor) -> Tensor:
    """Add ``s_k * field`` to every output channel k, in place; ``field`` (B, 1, ...)."""
    scale = weight_variance.view(1, -1, *(1,) * (field.dim() - 2)).to(field.dtype)
    return scale * field if variance is None else variance.addcmul_(scale, field)


def _centered_field(field: Tensor, x: Tensor, weight: Tensor, options: dict[str, int]) -> Tensor:
    """``sum |x - a|^2`` over each receptive field from ``sum |x|^2``, with a the channels' means."""
    average = x.flatten(2).mean(dim=2)
    along = torch.einsum("bc...,bc->b...", x, average).unsqueeze(1)
    cross = box_sum(along, tuple(weight.shape[2:]), **options)
    power_of_mean = weight[0, 0].numel() * average.square().sum(dim=1)
    return (field - 2 * cross + power_of_mean.view(-1, *(1,) * (x.dim() - 1))).clamp_min(0)


def _shared_noise(x: Gaussian, weight: Tensor, options: dict[str, int]) -> tuple[Tensor, Tensor]:
    """Variance (B, K, ...) of the noise that the voxels of a field share, and its covariance in the cells.

    The variance is that of independent channels, times the gain by their correlation in the cell.
    """
    deviation = _field_deviation(x, weight, options)
    kernels = weight.flatten(2).sum(dim=2)
    covariance = common_covariance(x, kernels, in_cells(deviation))
    squared = kernels.square().view(*kernels.shape, *(1,) * (weight.dim() - 2))
    convolve = CONVOLVE[weight.dim() - 2]
    gain = diagonal(covariance) / convolve(in_cells(deviation).square(), squared).clamp_min(SMALLEST_VARIANCE)
    variance = convolve(deviation.square(), squared)
    return variance * from_cells(gain, variance.shape[2:]), covariance


def _field_deviation(x: Gaussian, weight: Tensor, options: dict[str, int]) -> Tensor:
    """Mean standard deviation (B, C, ...) over the receptive field of each output voxel."""
    deviation = x.variance.clamp_min(SMALLEST_VARIANCE).sqrt().flatten(0, 1).unsqueeze(1)
    sums = box_sum(deviation, tuple(weight.shape[2:]), **options)
    return (sums / weight[0, 0].numel()).view(*x.variance.shape[:2], *sums.shape[2:])


def _step_up(x: CorrelatedGaussian, weight: Tensor, stride: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Variance, and covariance in its cells, where each output voxel sees one input voxel."""
    variance = torch.empty_like(like)
    shared = pointwise_covariances(x, [kernels.T for kernels in weight.flatten(2).unbind(2)])
    for start, each in zip(product(range(stride), repeat=weight.dim() - 2), shared, strict=True):
        variance[(..., *(slice(first, None, stride) for first in start))] = diagonal(each)
    return variance, on_grid(sum(shared) / len(shared), cells_of(like.shape[2:]))


def _sum_of_squared_channels(convolve, deviation: Tensor, weight: Tensor, options: dict) -> Tensor:
    """``sum_c (sum_i m_ci sd_ci)^2``; ``weight`` (K, C, ...).

    By channel, as C K maps need too much memory.
    """
    transposed = convolve in CONVOLVE_TRANSPOSED.values()
    total = 0
    for channel in range(deviation.shape[1]):
        kernel = weight[:, channel : channel + 1]
        kernel = kernel.transpose(0, 1) if transposed else kernel
        total = total + convolve(deviation[:, channel : channel + 1], kernel, **options).square()
    return total
