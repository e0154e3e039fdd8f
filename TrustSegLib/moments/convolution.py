"""Moments of convolutions whose kernels are random: ``vec(W_k) ~ N(m_k, s_k I)``.

With an independent random input the output variance is ``s_k sum(mu^2 + v) + sum m_k^2 v`` over the
receptive field (Carannante et al., SUPER-Net). The first sum is the same for every kernel, so it is one
single-channel box filter; only the second is a convolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .gaussian import SMALLEST_VARIANCE, Gaussian
from .power import power

_CONVOLVE = {2: F.conv2d, 3: F.conv3d}
_CONVOLVE_TRANSPOSED = {2: F.conv_transpose2d, 3: F.conv_transpose3d}


def box_sum(x: Tensor, kernel_size: tuple[int, ...], stride: int, padding: int, dilation: int) -> Tensor:
    """Sum over the receptive field of a kernel, one axis after the other.

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
) -> Gaussian:
    """Convolve a Gaussian or a certain input with random kernels.

    Parameters
    ----------
    x : Gaussian or Tensor
        (B, C, D, H, W) or (B, C, H, W). A tensor is an input without noise, such as the image.
    weight : Tensor
        Kernel means, (K, C, k, k, k) or (K, C, k, k).
    weight_variance : Tensor
        (K,), one variance for all weights of a kernel.
    bias : Tensor, optional
        (K,), certain.
    stride, padding, dilation : int
        As in `torch.nn.functional.conv3d`. Padded voxels have mean 0 and variance 0.
    correlation : float
        Correlation r of the errors of neighboring voxels of one channel. 0 treats them as independent.
        Otherwise the propagated term is ``(1-r) sum m^2 v + r sum_c (sum_i m_ci sd_ci)^2``.

    Returns
    -------
    Gaussian
        (B, K, D', H', W').
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    convolve = _CONVOLVE[weight.dim() - 2]
    certain = isinstance(x, Tensor)
    mean = convolve(x if certain else x.mean, weight, bias, **options)
    field = box_sum(power(x), tuple(weight.shape[2:]), stride, padding, dilation)
    if certain:
        return Gaussian(mean, _add_kernel_noise(None, weight_variance, field))
    variance = convolve(x.variance, weight.square(), **options)
    if correlation:
        deviation = x.variance.clamp_min(SMALLEST_VARIANCE).sqrt()
        together = _sum_of_squared_channels(convolve, deviation, weight, options)
        variance = torch.lerp(variance, together, correlation)
    return Gaussian(mean, _add_kernel_noise(variance, weight_variance, field))


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
    convolve = _CONVOLVE_TRANSPOSED[weight.dim() - 2]
    mean = convolve(x.mean, weight, bias, **options)
    variance = convolve(x.variance, weight.square(), **options)
    if correlation:
        deviation = x.variance.clamp_min(SMALLEST_VARIANCE).sqrt()
        together = _sum_of_squared_channels(convolve, deviation, weight.transpose(0, 1), options)
        variance = torch.lerp(variance, together, correlation)
    box = weight.new_ones(1, 1, *weight.shape[2:])
    field = convolve(power(x), box, **options)
    return Gaussian(mean, _add_kernel_noise(variance, weight_variance, field))


def _sum_of_squared_channels(convolve, deviation: Tensor, weight: Tensor, options: dict) -> Tensor:
    """``sum_c (sum_i m_ci sd_ci)^2``; ``weight`` (K, C, ...). Channel by channel: C K maps would not fit."""
    transposed = convolve in _CONVOLVE_TRANSPOSED.values()
    total = 0
    for channel in range(deviation.shape[1]):
        kernel = weight[:, channel : channel + 1]
        kernel = kernel.transpose(0, 1) if transposed else kernel
        total = total + convolve(deviation[:, channel : channel + 1], kernel, **options).square()
    return total
