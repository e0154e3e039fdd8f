"""Moments of the class probabilities from those of the class logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .gaussian import SMALLEST_VARIANCE, ClassMoments, LogitMoments
from .quadrature import Rule, center_rule, hermite_rule, sobol_rule

#: Points of the fixed quasi-random set.
READOUT_SAMPLES = 64

#: By number of dimensions: nodes per axis of the Gauss-Hermite rules, and the largest spread (root of the
#: summed variances of the contrasts) that each is used for. The variance is off by less than 1 % on average,
#: with 64 Sobol points by 2 to 8 %.
_HERMITE = {1: ((5, 0.6), (9, 1.5)), 2: ((3, 0.6), (5, 1.5)), 3: ((3, 0.6),)}

#: Differences of logits are clipped here: beyond, a probability is 0 or 1 in any precision and exp overflows.
_LARGEST_LOGIT = 40.0

#: Log odds below which a probability is lost next to 1 in float32 (2^-24 is exp(-16.6)).
_INVISIBLE = -17.0

#: Values computed together, so that they stay in the cache.
_BLOCK = {"cpu": 2**18, "cuda": 2**26}


def readout_taylor(logits: LogitMoments) -> ClassMoments:
    """First-order moments, as published: ``p = softmax(mu)``, ``v = (J o J) v_logit``.

    The covariance between classes is dropped. The variance can exceed ``p (1 - p)``, the largest that a
    probability can have, and is clipped there. For comparison only.

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
    """Mean and variance of the softmax of Gaussian logits, by quadrature.

    Softmax depends only on differences of logits, so the points have K - 1 dimensions. In most voxels the
    logits have a small spread, over which softmax bends little and a few Gauss-Hermite points suffice. Over a
    wide spread softmax is a step, which needs quasi-random points. The points are the same for every voxel
    and every call, so the result is deterministic and differentiable.

    Parameters
    ----------
    logits : LogitMoments
        ``mean`` (B, K, ...), ``covariance`` (B, K, K, ...).
    samples : int
        Number of points for a wide spread, a power of two.

    Returns
    -------
    ClassMoments
        (B, K, ...), float32 (float64 for float64 logits).
    """
    precise = torch.promote_types(logits.mean.dtype, torch.float32)
    location, factor = _contrasts(LogitMoments(logits.mean.to(precise), logits.covariance.to(precise)))
    shape = location.shape
    location, factor = location.flatten(1), [[entry.flatten() for entry in row] for row in factor]
    mean, variance = (location.new_empty(shape[0] + 1, location.shape[1]) for _ in range(2))
    for voxels, rule in _voxels_by_rule(location, factor, samples):
        chosen = [[entry[voxels] for entry in row] for row in factor]
        part = _in_blocks(location[:, voxels], chosen, rule)
        mean, variance = mean.index_copy_(1, voxels, part[0]), variance.index_copy_(1, voxels, part[1])
    mean, variance = (moment.reshape(-1, *shape[1:]) for moment in (mean, variance))
    return _bounded(mean.movedim(0, 1), variance.movedim(0, 1))


def sample_logits(logits: LogitMoments, normals: Tensor) -> Tensor:
    """Sample logits that are correlated between classes, from the same normal numbers in every voxel.

    Parameters
    ----------
    logits : LogitMoments
        ``mean`` (B, K, ...), ``covariance`` (B, K, K, ...).
    normals : Tensor
        (S, K), standard normal numbers.

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

    Written out over the K x K entries: `torch.linalg.cholesky` calls LAPACK once per voxel and rejects
    semi-definite matrices, which voxels without noise have.

    Parameters
    ----------
    covariance : list of list of Tensor
        Entry [i][j] is a map; all have one shape.

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


def _voxels_by_rule(
    location: Tensor, factor: list[list[Tensor]], samples: int
) -> Iterator[tuple[Tensor, Rule]]:
    """Indices of the voxels that use a rule, and the rule.

    Where no sample gives a class other than the first a visible probability, as in most of the background,
    all of them are below float32's resolution next to 1 and the center alone suffices.
    """
    dimensions = len(location)
    hermite = _HERMITE.get(dimensions, ())
    last = sobol_rule(samples, dimensions)
    rules = [center_rule(dimensions), *(hermite_rule(nodes, dimensions) for nodes, _ in hermite), last]
    variance = sum(entry.square() for row in factor for entry in row)
    limits = variance.new_tensor([spread**2 for _, spread in hermite])
    choice = (torch.bucketize(variance, limits) + 1).where(_visible(location, factor, last), 0)
    for number, rule in enumerate(rules):
        voxels = (choice == number).nonzero().squeeze(1)
        if len(voxels):
            yield voxels, rule


def _visible(location: Tensor, factor: list[list[Tensor]], rule: Rule) -> Tensor:
    """Where some point of a rule gives a class other than the first a visible probability, (N,)."""
    reach = float(rule.points.abs().max())
    spread = torch.stack([sum(entry.abs() for entry in row) for row in factor])
    return (location + reach * spread > _INVISIBLE).any(dim=0)


def _in_blocks(location: Tensor, factor: list[list[Tensor]], rule: Rule) -> tuple[Tensor, Tensor]:
    """`_softmax_moments`, block by block."""
    block = _BLOCK.get(location.device.type, _BLOCK["cpu"]) // len(rule.weights)
    rule = Rule(rule.points.to(location), rule.weights.to(location))
    parts = []
    for start in range(0, location.shape[1], block):
        voxels = slice(start, start + block)
        part = [[entry[voxels] for entry in row] for row in factor]
        parts.append(_softmax_moments(location[:, voxels], part, rule))
    mean, variance = zip(*parts, strict=True)
    return torch.cat(mean, dim=1), torch.cat(variance, dim=1)


def _softmax_moments(location: Tensor, factor: list[list[Tensor]], rule: Rule) -> tuple[Tensor, Tensor]:
    """Moments (K, N) of the probabilities under a rule; ``location`` (K - 1, N).

    The first class's logit is 0. `torch.softmax` over a short leading axis is many times slower.
    """
    draws = _draws(location.unbind(0), factor, rule.points)
    odds = [draw.clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT).exp() for draw in draws]
    first = sum(odds[1:], odds[0] + 1).reciprocal()
    moments = [_moments(p, rule.weights) for p in (first, *(first * ratio for ratio in odds))]
    return torch.stack([mean for mean, _ in moments]), torch.stack([variance for _, variance in moments])


def _moments(p: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    mean = weights @ p
    return mean, weights @ (p - mean).square()


def _bounded(mean: Tensor, variance: Tensor) -> ClassMoments:
    """Clip mean and variance to what a probability can have; rounding exceeds both limits."""
    mean = mean.clamp_max(1)
    limit = mean * (1 - mean)
    return ClassMoments(mean, torch.minimum(variance.clamp_min(0), limit))
