"""Group normalization followed by a rectifier, without writing the normalized activation.

The pair follows every convolution. Fused, it reads and writes each moment once, and training keeps only the
convolution's output: half the memory of two separate layers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .activation import Rectifier
from .blocks import as_rows, blocks, working_dtype, written_to
from .gaussian import Gaussian


class _Statistics(NamedTuple):
    """Per row (B C, 1): the group's location and gain, and the affine map ``y = scale mu + shift``."""

    location: Tensor
    gain: Tensor
    scale: Tensor
    shift: Tensor


def normalize_and_activate(
    x: Gaussian,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    rectifier: Rectifier,
    epsilon: float = 1e-5,
    *,
    inplace: bool = False,
) -> Gaussian:
    """Group normalization, see `group_norm`, followed by a rectifier.

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    groups : int
        Number of groups; C for instance normalization.
    weight, bias : Tensor
        (C,).
    rectifier : Rectifier
        The activation's moments and gradients.
    epsilon : float
        Added to the square of the normalization's denominator.
    inplace : bool
        Overwrite ``x`` with the result, as `torch.nn.ReLU` can; not where a gradient is needed.

    Returns
    -------
    Gaussian
        In the shape of ``x``.
    """
    if inplace:
        statistics = _statistics(*x, weight, bias, groups, epsilon)
        return Gaussian(*_forward(*x, statistics, rectifier, x))
    return Gaussian(*_NormalizeActivate.apply(x.mean, x.variance, weight, bias, groups, epsilon, rectifier))


class _NormalizeActivate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, mean, variance, weight, bias, groups, epsilon, rectifier) -> tuple[Tensor, Tensor]:
        statistics = _statistics(mean, variance, weight, bias, groups, epsilon)
        ctx.save_for_backward(mean, variance, weight, *statistics)
        ctx.groups, ctx.rectifier = groups, rectifier
        empty = torch.empty_like(mean), torch.empty_like(variance)
        return _forward(mean, variance, statistics, rectifier, empty)

    @staticmethod
    @once_differentiable
    def backward(ctx, to_mean: Tensor, to_variance: Tensor):
        mean, variance, weight, *statistics = ctx.saved_tensors
        statistics = _Statistics(*statistics)
        mu, v, g_mu, g_v = (as_rows(tensor) for tensor in (mean, variance, to_mean, to_variance))
        dy, dw = torch.empty_like(mu), torch.empty_like(v)
        sums = mu.new_zeros(3, mu.shape[0], 1, dtype=statistics.gain.dtype)
        for place in blocks(mu):
            moments = _normalized(mu[place], v[place], statistics, place[0])
            part = ctx.rectifier.gradients(*moments, g_mu[place].to(sums.dtype), g_v[place].to(sums.dtype))
            centered = mu[place].to(sums.dtype) - statistics.location[place[0]]
            sums[0, place[0]] += part[0].sum(-1, keepdim=True)
            sums[1, place[0]] += centered.mul_(part[0]).sum(-1, keepdim=True)
            sums[2, place[0]] += torch.mul(part[1], v[place]).sum(-1, keepdim=True)
            dy[place].copy_(part[0])
            dw[place].copy_(part[1])
        shape = (mean.shape[0], mean.shape[1])
        to_weight, to_bias = _parameter_gradients(sums, statistics, weight, shape)
        _input_gradients(dy, dw, mu, sums, statistics, shape, ctx.groups)
        return dy.view_as(mean), dw.view_as(mean), to_weight, to_bias, None, None, None


def _forward(mean, variance, statistics: _Statistics, rectifier: Rectifier, outputs) -> tuple[Tensor, Tensor]:
    mu, v = as_rows(mean), as_rows(variance)
    rows = [as_rows(output) for output in outputs]
    for place in blocks(mu):
        moments = _normalized(mu[place], v[place], statistics, place[0])
        with written_to([row[place] for row in rows], moments[0]) as out:
            rectifier.moments(*moments, out)
    return rows[0].view_as(mean), rows[1].view_as(mean)


def _statistics(mean, variance, weight, bias, groups: int, epsilon: float) -> _Statistics:
    batch, channels = mean.shape[:2]
    precise = working_dtype(mean)
    grouped = mean.reshape(batch * groups, -1)
    location = grouped.mean(dim=1, dtype=precise)
    noise = variance.reshape(batch * groups, -1).mean(dim=1, dtype=precise)
    gain = torch.rsqrt(_mean_square(grouped, location) + noise + epsilon)
    location, gain = (_per_row(value, channels // groups) for value in (location, gain))
    scale = gain * weight.to(precise).repeat(batch)[:, None]
    return _Statistics(location, gain, scale, bias.to(precise).repeat(batch)[:, None] - location * scale)


def _mean_square(rows: Tensor, location: Tensor) -> Tensor:
    """Mean square about ``location`` of each row; two plain sums are faster than `torch.var_mean`."""
    total = torch.zeros_like(location)
    for place in blocks(rows):
        centered = rows[place].to(location.dtype) - location[place[0], None]
        total[place[0]] += centered.square_().sum(dim=1)
    return total / rows.shape[1]


def _per_row(value: Tensor, channels: int) -> Tensor:
    """One value per group to one per channel, as a column."""
    return value.repeat_interleave(channels)[:, None]


def _normalized(mu: Tensor, v: Tensor, statistics: _Statistics, rows: slice) -> tuple[Tensor, Tensor]:
    scale = statistics.scale[rows]
    mean = torch.addcmul(statistics.shift[rows], mu.to(scale.dtype), scale)
    return mean, v.to(scale.dtype) * scale.square()


def _parameter_gradients(sums: Tensor, statistics: _Statistics, weight: Tensor, shape: tuple[int, int]):
    """``dL/dweight = sum dy z + 2 w g^2 sum dw v`` and ``dL/dbias = sum dy``, z the standardized mean."""
    to_weight = statistics.gain * (sums[1] + 2 * statistics.scale * sums[2])
    return to_weight.view(shape).sum(0).to(weight.dtype), sums[0].view(shape).sum(0).to(weight.dtype)


def _input_gradients(
    dy: Tensor,
    dw: Tensor,
    mu: Tensor,
    sums: Tensor,
    statistics: _Statistics,
    shape: tuple[int, int],
    groups: int,
) -> None:
    """Turn the gradients of the normalized moments into those of the input, in place.

    With ``S = var(mu) + mean(v)`` over the group's N elements and q = weight g:
    ``dmu = q dy - mean(q dy) + (2/N) dS (mu - location)``, ``dv = q^2 dw + dS / N`` and
    ``dS = -g^2/2 sum_channels (q sum dy (mu - location) + 2 q^2 sum dw v)``.
    """
    batch, channels = shape
    members = channels // groups
    count = members * mu.shape[1]
    location, gain, scale, _ = statistics

    def over_group(rows: Tensor) -> Tensor:
        return _per_row(rows.view(batch * groups, members).sum(1), members)

    to_power = -0.5 * gain.square() * over_group(scale * sums[1] + 2 * scale.square() * sums[2])
    average = over_group(scale * sums[0]) / count
    tilt = 2 * to_power / count
    constant = -average - tilt * location
    for place in blocks(mu):
        rows = place[0]
        dy[place].mul_(scale[rows]).addcmul_(mu[place], tilt[rows]).add_(constant[rows])
        dw[place].mul_(scale[rows].square()).add_(to_power[rows] / count)
