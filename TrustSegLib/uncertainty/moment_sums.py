"""Sums over an image of one structure's probability, and the masks that its spread would give."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

SAMPLES = 20
"""Masks drawn from the class Gaussian."""

QUANTILES = np.array([NormalDist().inv_cdf((index + 0.5) / SAMPLES) for index in range(SAMPLES)])
"""Their normal numbers: the middles of equally probable parts, rising."""

_STEPS = np.sort(np.append(QUANTILES, (-1.0, 1.0)))
_SAMPLED = np.searchsorted(_STEPS, QUANTILES)
_LOW, _HIGH = np.searchsorted(_STEPS, (-1.0, 1.0))

LEVELS = (NormalDist().cdf(-1.0), NormalDist().cdf(1.0))
"""Probabilities one standard deviation below and above the middle of a common uniform number."""


class MomentSums:
    """Sums for one structure; integers and sums of single rows, so that they do not depend on the slabs.

    A mask :math:`p + z s` holds a voxel from a certain z on. Each voxel is counted at that z, which gives
    all masks in one pass.

    Parameters
    ----------
    label : int
        Of the structure.

    Attributes
    ----------
    voxels : int
        Of its mask.
    """

    def __init__(self, label: int) -> None:
        self.label = label
        self.voxels = 0
        self._row_sums: list[float] = []
        self._row_sums_in_mask: list[float] = []
        self._above = np.zeros(len(LEVELS), dtype=np.int64)
        self._starting = np.zeros(len(_STEPS) + 1, dtype=np.int64)
        self._starting_in_mask = np.zeros_like(self._starting)

    def add(
        self,
        p: np.ndarray,
        variance: np.ndarray,
        rival: np.ndarray,
        own: np.ndarray,
        classes: int,
        inside: np.ndarray | None = None,
    ) -> None:
        """Add some rows; all arrays are `(D, H, W)`.

        Parameters
        ----------
        p, variance : ndarray
            Moments of the structure's class.
        rival : ndarray
            Largest probability of another class.
        own : ndarray of bool
            Its mask.
        classes : int
            Number of classes K, background included.
        inside : ndarray of bool, optional
            Voxels that count; all if None.
        """
        if inside is not None:
            p, own = np.where(inside, p, 0), own & inside
        self.voxels += int(np.count_nonzero(own))
        self._row_sums += [float(row.sum(dtype=np.float64)) for row in p]
        # Elsewhere the structure cannot win at any of the quantiles; most of an image is left out by this.
        near = p > _least_probability(classes)
        for index, row in enumerate(near):
            self._row_sums_in_mask.append(float(p[index][row & own[index]].sum(dtype=np.float64)))
        self._count(p[near].astype(np.float64), variance[near], rival[near], own[near])

    def _count(self, p: np.ndarray, variance: np.ndarray, rival: np.ndarray, own: np.ndarray) -> None:
        self._above += np.array([np.count_nonzero(p > level) for level in LEVELS])
        starting = np.searchsorted(_STEPS, _first_z(p, variance, rival, own))
        self._starting += np.bincount(starting, minlength=len(self._starting))
        self._starting_in_mask += np.bincount(starting[own], minlength=len(self._starting))

    @property
    def expected_voxels(self) -> float:
        """Sum of the probability."""
        return math.fsum(self._row_sums)

    @property
    def spread_voxels(self) -> float:
        """One standard deviation of the number of voxels, see `StructureScores.volume_spread_ml`."""
        sizes = np.cumsum(self._starting)
        of_weights = (sizes[_HIGH] - sizes[_LOW]) / 2
        of_labels = (self._above[0] - self._above[1]) / 2
        return float(of_weights + of_labels)

    @property
    def expected_dice(self) -> float:
        """Dice coefficient of the mask against labels drawn voxel by voxel, in the mean; 0 if empty."""
        if not self.voxels:
            return 0.0
        return 2 * math.fsum(self._row_sums_in_mask) / (self.voxels + self.expected_voxels)

    @property
    def sampled_dice(self) -> float:
        """Mean Dice coefficient of the mask and the masks drawn; 0 if the mask is empty."""
        if not self.voxels:
            return 0.0
        sizes, common = np.cumsum(self._starting)[_SAMPLED], np.cumsum(self._starting_in_mask)[_SAMPLED]
        return float(np.mean(2 * common / (self.voxels + sizes)))


def _least_probability(classes: int) -> float:
    """Probability below which no sampled mask holds a voxel, whatever its variance.

    A class wins only above 1 / K, and with v <= p (1 - p) the largest `p + z s` is below `p + z sqrt(p)`.
    """
    largest = QUANTILES[-1]
    return float((math.sqrt(largest**2 / 4 + 1 / classes) - largest / 2) ** 2)


def _first_z(p: np.ndarray, variance: np.ndarray, rival: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the z from which on the mask `p + z s` holds a voxel; infinite where its variance is 0.

    With `q = p + z s` the rival has its part of what is left, `(1 - q) rival / (1 - p)`; the two are equal at
    `q = rival / (1 - p + rival)`.
    """
    left = np.maximum(1 - p + rival, np.finfo(np.float64).tiny)
    without_variance = np.where(own, -np.inf, np.inf)
    return np.divide(rival / left - p, np.sqrt(variance), out=without_variance, where=variance > 0)
