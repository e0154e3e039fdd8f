"""How often voxels are wrong, by the error probability they have: all that is kept of an image's voxels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Bins of the calibration error, over confidences 0 to 1: those of `measures.calibration_error`.
ECE_BINS = 15

#: Fine bins, narrow where most voxels are; none lies across the border of two bins of the calibration error.
EDGES = np.union1d(np.linspace(0, 1, 1001) ** 2, 1 - np.linspace(0, 1, ECE_BINS + 1))

Curve = Callable[[np.ndarray], np.ndarray]
"""From raw to calibrated error probabilities."""


@dataclass(frozen=True, eq=False)
class VoxelTable:
    """Sums over voxels by raw error probability, in the bins of `EDGES`; ``first + second`` is both.

    Attributes
    ----------
    count : np.ndarray
        (bins,) voxels, or a weight of them.
    raw_sum : np.ndarray
        (bins,) sum of their raw error probabilities.
    wrong : np.ndarray
        (bins,) how many have another label than the truth.
    """

    count: np.ndarray
    raw_sum: np.ndarray
    wrong: np.ndarray

    @classmethod
    def of(cls, raw: np.ndarray, wrong: np.ndarray) -> VoxelTable:
        """Count voxels; ``raw`` in [0, 1] and bool ``wrong`` of one shape."""
        raw = raw.ravel().astype(float)
        place = np.clip(np.searchsorted(EDGES, raw, side="right") - 1, 0, len(EDGES) - 2)
        sums = (None, raw, wrong.ravel().astype(float))
        return cls(*(np.bincount(place, each, len(EDGES) - 1).astype(float) for each in sums))

    @classmethod
    def empty(cls) -> VoxelTable:
        """No voxel: what a sum starts with."""
        return cls(*np.zeros((3, len(EDGES) - 1)))

    def __add__(self, other: VoxelTable) -> VoxelTable:
        return VoxelTable(self.count + other.count, self.raw_sum + other.raw_sum, self.wrong + other.wrong)

    def __mul__(self, factor: float) -> VoxelTable:
        return VoxelTable(self.count * factor, self.raw_sum * factor, self.wrong * factor)

    def calibration_sums(self, curve: Curve | None = None) -> np.ndarray:
        """Sums (3, `ECE_BINS`) of voxels, of their error probabilities and of wrong ones.

        A fine bin is moved as a whole to where the curve puts its mean: exact without a curve.
        """
        filled = self.count > 0
        count, wrong = self.count[filled], self.wrong[filled]
        mean = self.raw_sum[filled] / count
        given = mean if curve is None else curve(mean)
        # Confidences of [low, high) share a bin; in error probabilities that is (low, high].
        place = np.clip(np.floor((1 - given) * ECE_BINS + 1e-9), 0, ECE_BINS - 1).astype(int)
        sums = (count, given * count, wrong)
        return np.stack([np.bincount(place, each, ECE_BINS) for each in sums])


def ece(sums: np.ndarray) -> float | None:
    """Expected calibration error of `VoxelTable.calibration_sums`, added up; None without a voxel.

    ``sum_b n_b / n |share wrong_b - mean error probability_b|``: top-label calibration, as in
    `measures.calibration_error`.
    """
    total = sums[0].sum()
    return float(np.abs(sums[2] - sums[1]).sum() / total) if total else None
