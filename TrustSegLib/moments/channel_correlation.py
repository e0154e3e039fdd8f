"""Correlation between the channels' errors, propagated beside mean and variance on a coarse grid.

Channels of one layer share the noise of the layers before it. A convolution adds their covariances, not only
their variances, which changes the output's variance by as much as the correlation of neighboring voxels does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .gaussian import SMALLEST_VARIANCE, Gaussian

#: Voxels along each axis of a cell; they share one correlation matrix.
CELL = 2

_AVERAGE = {2: F.avg_pool2d, 3: F.avg_pool3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}


class CorrelatedGaussian(Gaussian):
    """A `Gaussian` with the correlation between its channels' errors.

    Attributes
    ----------
    correlation : Tensor
        (B, C, C, D', H', W') or (B, C, C, H', W'), on cells of `CELL` voxels along each axis.
    """

    correlation: Tensor

    def __new__(cls, mean: Tensor, variance: Tensor, correlation: Tensor) -> CorrelatedGaussian:
        made = super().__new__(cls, mean, variance)
        made.correlation = correlation
        return made


def carry(x: Gaussian | Tensor, result: Gaussian, weight: Tensor | None = None) -> Gaussian:
    """Pass the input's correlation on to the result of a layer that treats each channel separately.

    Parameters
    ----------
    x, result : Gaussian
        Input and output of the layer; the grid may differ.
    weight : Tensor, optional
        (C,), factors of the channels: a negative one flips the sign of its correlations.

    Returns
    -------
    Gaussian
        ``result``, as a `CorrelatedGaussian` if ``x`` is one.
    """
    if not isinstance(x, CorrelatedGaussian):
        return result
    correlation = on_grid(x.correlation, cells_of(result.mean.shape[2:]))
    if weight is not None:
        sign = weight.detach().sign().to(correlation)
        correlation = correlation * _as_matrix(sign[:, None] * sign, correlation)
    return CorrelatedGaussian(*result, correlation)


def join(*parts: Gaussian) -> Tensor | None:
    """Correlation of concatenated channels, independent across parts; None if no part has one."""
    if not any(isinstance(part, CorrelatedGaussian) for part in parts):
        return None
    matrices = [correlation_of(part) for part in parts]
    sizes = [matrix.shape[1] for matrix in matrices]
    joined = matrices[0].new_zeros(len(matrices[0]), sum(sizes), sum(sizes), *matrices[0].shape[3:])
    first = 0
    for matrix, size in zip(matrices, sizes, strict=True):
        joined[:, first : first + size, first : first + size] = matrix
        first += size
    return joined


def correlation_of(x: Gaussian) -> Tensor:
    """Correlation of a `Gaussian`: the identity if its channels are independent."""
    if isinstance(x, CorrelatedGaussian):
        return x.correlation
    identity = torch.eye(x.mean.shape[1], dtype=x.mean.dtype, device=x.mean.device)
    cells = cells_of(x.mean.shape[2:])
    return identity.view(1, *identity.shape, *(1,) * len(cells)).expand(len(x.mean), -1, -1, *cells)


def correlated(mean: Tensor, variance: Tensor, covariance: Tensor) -> CorrelatedGaussian:
    """Build it from the covariance (B, C, C, ...) in the cells, whose diagonal is ignored."""
    deviation = in_cells(variance).clamp_min(SMALLEST_VARIANCE).sqrt()
    correlation = (covariance / _outer(deviation)).clamp(-1, 1)
    return CorrelatedGaussian(mean, variance, _with_unit_diagonal(correlation))


def common_covariance(x: Gaussian, kernels: Tensor, deviation: Tensor) -> Tensor:
    """Covariance of the outputs due to noise that all voxels of a receptive field share.

    ``Cov_kk' = sum_cc' M_kc M_k'c' R_cc' sd_c sd_c'``.

    Parameters
    ----------
    x : Gaussian
        The input, with correlation R.
    kernels : Tensor
        (K, C), sums M of each kernel over its receptive field.
    deviation : Tensor
        (B, C, ...), standard deviations sd on the output's cells.

    Returns
    -------
    Tensor
        (B, K, K, ...), on the same cells.
    """
    matrix = on_grid(correlation_of(x), deviation.shape[2:]) * _outer(deviation)
    columns = matrix.flatten(3).permute(0, 3, 1, 2).contiguous()
    return (kernels @ columns @ kernels.T).permute(0, 2, 3, 1).unflatten(3, deviation.shape[2:])


def pointwise_covariances(x: CorrelatedGaussian, kernels: Sequence[Tensor]) -> list[Tensor]:
    """Covariance of weighted sums over the channels, voxel by voxel.

    Parameters
    ----------
    x : CorrelatedGaussian
        (B, C, ...).
    kernels : sequence of Tensor
        Weights, each (K, C).

    Returns
    -------
    list of Tensor
        (B, K, K, ...) for each kernel.
    """
    size, deviation = x.mean.shape[2:], x.variance.clamp_min(SMALLEST_VARIANCE).sqrt()
    deviation = F.pad(deviation, [end for length in reversed(size) for end in (0, length % CELL)])
    matrix = x.correlation.flatten(3).permute(0, 3, 1, 2).contiguous()
    shapes = [(len(deviation), *2 * (len(each),), *deviation.shape[2:]) for each in kernels]
    found = [deviation.new_empty(shape) for shape in shapes]
    for offset in product(range(CELL), repeat=len(size)):
        place = (..., *(slice(start, None, CELL) for start in offset))
        at_place = deviation[place].flatten(2).transpose(1, 2).contiguous().unsqueeze(2)  # (B, cells, 1, C)
        for covariance, each in zip(found, kernels, strict=True):
            rows = each * at_place
            part = rows @ matrix @ rows.transpose(2, 3)
            covariance[place] = part.permute(0, 2, 3, 1).unflatten(3, x.correlation.shape[3:])
    return [covariance[(..., *(slice(length) for length in size))] for covariance in found]


def summed(mean: Tensor, variance: Tensor, parts: Sequence[Gaussian]) -> Gaussian:
    """Sum of independent parts, with the correlation that follows from theirs, if they have one."""
    if not any(isinstance(part, CorrelatedGaussian) for part in parts):
        return Gaussian(mean, variance)
    deviations = [in_cells(part.variance).clamp_min(SMALLEST_VARIANCE).sqrt() for part in parts]
    covariances = [correlation_of(x) * _outer(sd) for x, sd in zip(parts, deviations, strict=True)]
    return correlated(mean, variance, sum(covariances[1:], covariances[0]))


def in_cells(x: Tensor) -> Tensor:
    """Average (B, C, ...) over the cells; the last one may be smaller."""
    return _AVERAGE[x.dim() - 2](x, CELL, ceil_mode=True, count_include_pad=False)


def from_cells(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Interpolate (B, C, cells) to the voxels."""
    return F.interpolate(x, size=size, mode=_LINEAR[len(size)], align_corners=False)


def diagonal(covariance: Tensor) -> Tensor:
    """The diagonal (B, C, ...) of (B, C, C, ...)."""
    return torch.diagonal(covariance, dim1=1, dim2=2).movedim(-1, 1)


def _with_unit_diagonal(correlation: Tensor) -> Tensor:
    identity = torch.eye(correlation.shape[1], dtype=torch.bool, device=correlation.device)
    return correlation.masked_fill(_as_matrix(identity, correlation), 1)


def _as_matrix(matrix: Tensor, like: Tensor) -> Tensor:
    return matrix.view(1, *matrix.shape, *(1,) * (like.dim() - 3))


def _outer(x: Tensor) -> Tensor:
    return x[:, :, None] * x[:, None]


def cells_of(size: tuple[int, ...]) -> tuple[int, ...]:
    """Number of cells along each axis of a grid."""
    return tuple(-(-length // CELL) for length in size)


def on_grid(correlation: Tensor, size: tuple[int, ...]) -> Tensor:
    """Average a correlation over larger cells, or repeat it in smaller ones."""
    if tuple(correlation.shape[3:]) == tuple(size):
        return correlation
    flat = F.interpolate(correlation.flatten(1, 2), size=tuple(size), mode="area")
    return flat.unflatten(1, correlation.shape[1:3])
