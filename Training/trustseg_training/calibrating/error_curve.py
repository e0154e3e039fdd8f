"""From raw error probabilities to how often voxels of that probability are wrong: an isotonic curve.

It never falls, so that it never turns round which of two voxels is the more doubtful. Every calibration
measures it against the curves of `other_curves`, by cross-validation over patients.

It is fitted on all voxels, not only on those near a structure, although errors are there only: where a
structure truly is, the reader does not know. Fitted on the near ones, the curve claimed 3 % of error for
every voxel of certain background (hippocampus, 40 patients), and so liters of it in a large image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from .voxel_table import VoxelTable

#: Points of the curve; its bins hold about equally many wrong voxels each.
KNOTS = 48


@dataclass(frozen=True, eq=False)
class ErrorCurve:
    """Linear between points: ``raw`` (n,) strictly rises from 0 to 1, ``calibrated`` (n,) does not fall."""

    raw: np.ndarray
    calibrated: np.ndarray

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated error probabilities, of any shape."""
        return np.interp(raw, self.raw, self.calibrated)


def fit_error_curve(table: VoxelTable, knots: int = KNOTS) -> ErrorCurve:
    """Isotonic regression of being wrong on the raw error probability.

    The voxels are first put into bins with about equally many wrong ones, so that no point of the curve hangs
    on a few voxels.

    Parameters
    ----------
    table : VoxelTable
        Of the voxels to fit on, at least one of them wrong.
    knots : int
        Most bins, and so points, without the two ends.

    References
    ----------
    Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates",
    KDD 2002.
    """
    count, raw, wrong = equal_error_bins(table, knots)
    fitted = isotonic_regression(wrong / count, weights=count)
    # One point for each block of equal values, at its mean: the curve then has no steps.
    block = np.cumsum(np.append(False, np.diff(fitted.x) > 0))
    total = np.bincount(block, count)
    x, y = np.bincount(block, raw) / total, np.bincount(block, wrong) / total
    inside = (x > 0) & (x < 1)
    x, y = x[inside], np.clip(y[inside], 0, 1)
    return ErrorCurve(np.concatenate([[0.0], x, [1.0]]), np.concatenate([y[:1], y, y[-1:]]))


def equal_error_bins(table: VoxelTable, bins: int) -> np.ndarray:
    """Voxels, sum of raw values and wrong ones (3, at most ``bins``), with equally many wrong ones each."""
    filled = table.count > 0
    sums = np.stack([table.count[filled], table.raw_sum[filled], table.wrong[filled]])
    share = np.cumsum(sums[2]) / sums[2].sum()
    place = np.clip(np.ceil(share * bins - 1e-9) - 1, 0, bins - 1).astype(int)
    joined = np.stack([np.bincount(place, each, bins) for each in sums])
    return joined[:, joined[0] > 0]
