"""Quadrature rules: points and weights for expectations over a few standard normal dimensions."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

# Rules are cached. Those made in inference mode could not be used in training, hence `inference_mode(False)`.


class Rule(NamedTuple):
    """``E[f(z)] ~ sum_s weights_s f(points_s)`` with points (S, d) and weights (S,), float64."""

    points: Tensor
    weights: Tensor


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def center_rule(dimensions: int) -> Rule:
    """One point at the mean, for a spread too small to matter."""
    return Rule(torch.zeros(1, dimensions, dtype=torch.float64), torch.ones(1, dtype=torch.float64))


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def hermite_rule(nodes: int, dimensions: int) -> Rule:
    """Product Gauss-Hermite rule of ``nodes ** dimensions`` points: exact up to degree ``2 nodes - 1``.

    Best for functions that bend little over the spread; a step needs more points.

    References
    ----------
    Golub and Welsch, Calculation of Gauss quadrature rules, 1969.
    """
    # The nodes are the eigenvalues of the polynomials' three-term recurrence.
    recurrence = torch.diag(torch.arange(1, nodes, dtype=torch.float64).sqrt(), 1)
    line, vectors = torch.linalg.eigh(recurrence + recurrence.T)
    points = torch.cartesian_prod(*[line] * dimensions).view(-1, dimensions)
    weights = torch.cartesian_prod(*[vectors[0].square()] * dimensions).view(-1, dimensions).prod(dim=1)
    return Rule(points, weights)


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def sobol_rule(samples: int, dimensions: int) -> Rule:
    """Scrambled Sobol points, the same every time, with an error of a few percent for any function."""
    engine = torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=0)
    uniform = engine.draw(samples, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
    points = torch.special.ndtri(uniform)
    # A small set does not quite have mean 0 and variance 1.
    points = (points - points.mean(0)) / points.std(0, correction=0)
    return Rule(points, torch.full((samples,), 1 / samples, dtype=torch.float64))
