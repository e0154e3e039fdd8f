"""From class logits to the moments of class probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .gaussian import SMALLEST_VARIANCE, ClassMoments, LogitMoments

#: Points of the fixed quasi-random set: 2-6 % error of the variance at every scale.
READOUT_SAMPLES = 64

#: Differences of logits are cut here: beyond, the probability is 0 or 1 in any precision, and exp overflows.
_LARGEST_LOGIT = 40.0

#: Log of the odds below which a probability is lost beside 1 in float32 (2^-24 is exp(-16.6)).
_INVISIBLE = -17.0

#: Voxels read out together, so that all samples of a block stay in the cache.
_BLOCK = {"cpu": 4096, "cuda": 2**20}


def readout_taylor(logits: LogitMoments) -> ClassMoments:
    """First-order moments, as published: ``p = softmax(mu)``, ``v = (J o J) v_logit``.

    The covariance between classes is dropped and the variance can exceed ``p (1 - p)``, which no
    probability's variance can; it is cut there. Keep this for comparison only.

    Parameters
    ----------
    logits : LogitMoments
        ``mean`` (B, K, ...), ``covariance`` (B, K, K, ...).

    Returns
    -------
    ClassMoments
        (B, K, ...), float32 (float64 for float64 logits).
    """
    precise = torch.promote_types(logits.mean.dtype, torch.float32)
    p = torch.softmax(logits.mean.to(precise), dim=1)
    own = torch.diagonal(logits.covariance, dim1=1, dim2=2).movedim(-1, 1).to(precise)
    squared = p.square()
    # (J o J) v with J = diag(p) - p p':  p_k^2 [ (1 - p_k)^2 v_k + sum_{j != k} p_j^2 v_j ]
    total = (squared * own).sum(dim=1, keepdim=True)
    variance = squared * ((1 - 2 * p) * own + total)
    return _bounded(p, variance)


def readout_exact(logits: LogitMoments, samples: int = READOUT_SAMPLES) -> ClassMoments:
    """Mean and variance of ``softmax`` over a fixed quasi-random set of Gaussian logits.

    Softmax sees only differences of logits, so K - 1 dimensions are sampled. The points are the same for
    every voxel and every call: the result is deterministic and differentiable.

    Parameters
    ----------
    logits : LogitMoments
        ``mean`` (B, K, ...), ``covariance`` (B, K, K, ...).
    samples : int
        Number of points, a power of two.

    Returns
    -------
    ClassMoments
        (B, K, ...), float32 (float64 for float64 logits).
    """
    precise = torch.promote_types(logits.mean.dtype, torch.float32)
    location, factor = _contrasts(LogitMoments(logits.mean.to(precise), logits.covariance.to(precise)))
    shape = location.shape
    points = normal_points(samples, shape[0]).to(location)
    location, factor = location.flatten(1), [[entry.flatten() for entry in row] for row in factor]
    open_voxels = _open_voxels(location, factor, float(points.abs().max()))
    mean, variance = torch.softmax(F.pad(location, (0, 0, 1, 0)), dim=0), location.new_zeros(shape[0] + 1, 1)
    variance = variance.expand_as(mean)
    if len(open_voxels):
        chosen = [[entry[open_voxels] for entry in row] for row in factor]
        sampled = _in_blocks(location[:, open_voxels], chosen, points)
        mean, variance = (
            known.index_copy(1, open_voxels, new)
            for known, new in zip((mean, variance), sampled, strict=True)
        )
    mean, variance = (moment.reshape(-1, *shape[1:]) for moment in (mean, variance))
    return _bounded(mean.movedim(0, 1), variance.movedim(0, 1))


def sample_logits(logits: LogitMoments, normals: Tensor) -> Tensor:
    """Draw logits at the last tensor, correlated between classes, the same point in every voxel.

    Parameters
    ----------
    logits : LogitMoments
        ``mean`` (B, K, ...), ``covariance`` (B, K, K, ...).
    normals : Tensor
        (S, K) standard normal numbers.

    Returns
    -------
    Tensor
        (S, B, K, ...).
    """
    factor = cholesky([list(row.unbind(1)) for row in logits.covariance.unbind(1)])
    normals = normals.to(logits.mean)
    return torch.stack(_draws(logits.mean.unbind(1), factor, normals), dim=2)


def cholesky(covariance: list[list[Tensor]]) -> list[list[Tensor]]:
    """Lower Cholesky factor of a small matrix whose entries are maps.

    Written out over the K x K entries: `torch.linalg.cholesky` calls LAPACK once per voxel and refuses
    the semi-definite matrices that certain voxels have.

    Parameters
    ----------
    covariance : list of list of Tensor
        Entry [i][j] is a map of any one shape.

    Returns
    -------
    list of list of Tensor
        Row i holds entries 0..i.
    """
    factor: list[list[Tensor]] = []
    for i, row in enumerate(covariance):
        entries: list[Tensor] = []
        for j in range(i):
            rest = row[j] - sum(entries[k] * factor[j][k] for k in range(j))
            entries.append(rest / factor[j][j])
        rest = row[i] - sum(entry.square() for entry in entries)
        factor.append([*entries, rest.clamp_min(SMALLEST_VARIANCE).sqrt()])
    return factor


@lru_cache(maxsize=8)
def normal_points(samples: int, dimensions: int) -> Tensor:
    """Fixed quasi-random standard normal points, (samples, dimensions), float64: scrambled Sobol points."""
    engine = torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=0)
    uniform = engine.draw(samples, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
    points = torch.special.ndtri(uniform)
    # a set of few points has not quite mean 0 and variance 1: set them
    return (points - points.mean(0)) / points.std(0, correction=0)


def _contrasts(logits: LogitMoments) -> tuple[Tensor, list[list[Tensor]]]:
    """Means (K - 1, B, ...) and Cholesky factor of the logits less the first class's."""
    mean, c = logits.mean.movedim(1, 0), logits.covariance
    others = range(1, mean.shape[0])
    difference = [[c[:, i, j] - c[:, i, 0] - c[:, 0, j] + c[:, 0, 0] for j in others] for i in others]
    return mean[1:] - mean[:1], cholesky(difference)


def _draws(location: Sequence[Tensor], factor: list[list[Tensor]], points: Tensor) -> list[Tensor]:
    """``location + L z`` for every point; each entry (S, ...)."""
    columns = [column.view(-1, *(1,) * location[0].dim()) for column in points.unbind(1)]
    draws = []
    for draw, row in zip(location, factor, strict=True):
        for entry, column in zip(row, columns, strict=False):  # L is lower triangular
            draw = torch.addcmul(draw, entry, column)
        draws.append(draw)
    return draws


def _softmax_moments(location: Tensor, factor: list[list[Tensor]], points: Tensor) -> tuple[Tensor, Tensor]:
    """Moments (K, N) of the probabilities over points; ``location`` (K - 1, N).

    The first class's logit is the zero. `torch.softmax` over a short leading axis is many times slower.
    """
    draws = _draws(location.unbind(0), factor, points)
    odds = [draw.clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT).exp() for draw in draws]
    first = sum(odds[1:], odds[0] + 1).reciprocal()
    moments = [_moments(p) for p in (first, *(first * ratio for ratio in odds))]
    return torch.stack([mean for mean, _ in moments]), torch.stack([variance for _, variance in moments])


def _moments(p: Tensor) -> tuple[Tensor, Tensor]:
    mean = p.mean(dim=0)
    return mean, (p - mean).square().mean(dim=0)


def _open_voxels(location: Tensor, factor: list[list[Tensor]], reach: float) -> Tensor:
    """Indices of the voxels where some sample gives a class other than the first a visible probability.

    In the others every sample of every class is below float32's resolution next to 1: their moments are
    those of a certain voxel, and most of an image is such background.
    """
    spread = torch.stack([sum(entry.abs() for entry in row) for row in factor])
    return (location + reach * spread > _INVISIBLE).any(dim=0).nonzero().squeeze(1)


def _in_blocks(location: Tensor, factor: list[list[Tensor]], points: Tensor) -> tuple[Tensor, Tensor]:
    """`_softmax_moments` of blocks of voxels, joined."""
    block = _BLOCK.get(location.device.type, _BLOCK["cpu"])
    parts = []
    for start in range(0, location.shape[1], block):
        voxels = slice(start, start + block)
        part = [[entry[voxels] for entry in row] for row in factor]
        parts.append(_softmax_moments(location[:, voxels], part, points))
    mean, variance = zip(*parts, strict=True)
    return torch.cat(mean, dim=1), torch.cat(variance, dim=1)


def _bounded(mean: Tensor, variance: Tensor) -> ClassMoments:
    """Hold the variance within what a probability of this mean can have; rounding may cross it."""
    limit = (mean * (1 - mean)).clamp_min(0)
    return ClassMoments(mean, torch.minimum(variance.clamp_min(0), limit))
