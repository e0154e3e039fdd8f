"""Curves that calibrate error probabilities: from raw values to observed error rates.

A curve never decreases, so it never reverses which of two voxels is more uncertain. Which one a calibration
uses, if any, is decided in `curve_choice`.

It is fitted on all voxels, not only on those near a structure, although errors occur only there: the reader
does not know where a structure truly is. Fitted on near voxels, the curve assigned 3 % of error probability
to every voxel of certain background (hippocampus, 40 patients), which adds up to liters in a large image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from trustseg_training.metrics.calibration_error import BINS, expected_calibration_error

#: Fine bins, narrow where most voxels are; none crosses an edge of the calibration error's bins.
EDGES = np.union1d(np.linspace(0, 1, 1001) ** 2, 1 - np.linspace(0, 1, BINS + 1))

#: Points of the curve; its bins hold about equally many wrong voxels.
KNOTS = 48

_SMALLEST = 1e-7

#: Where `sampled` takes the points of a smooth curve: evenly spaced in the logit, in which it bends.
_SAMPLES = expit(np.linspace(-14, 14, 281))

Curve = Callable[[np.ndarray], np.ndarray]
"""Maps raw to calibrated error probabilities."""


@dataclass(frozen=True, eq=False)
class VoxelTable:
    """Sums over voxels by raw error probability, in the bins of `EDGES`; ``first + second`` is both.

    Attributes
    ----------
    count : np.ndarray
        (bins,) voxels, possibly weighted.
    raw_sum : np.ndarray
        (bins,) sum of their raw error probabilities.
    wrong : np.ndarray
        (bins,) voxels with a wrong label.
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
        """Sums over no voxel, to start from."""
        return cls(*np.zeros((3, len(EDGES) - 1)))

    def __add__(self, other: VoxelTable) -> VoxelTable:
        return VoxelTable(self.count + other.count, self.raw_sum + other.raw_sum, self.wrong + other.wrong)

    def __mul__(self, factor: float) -> VoxelTable:
        return VoxelTable(self.count * factor, self.raw_sum * factor, self.wrong * factor)

    def calibration_sums(self, curve: Curve | None = None) -> np.ndarray:
        """Sums (3, `BINS`): voxels, their error probabilities, and wrong voxels.

        A fine bin moves as a whole to where the curve maps its mean, which is exact without a curve.
        """
        filled = self.count > 0
        count, wrong = self.count[filled], self.wrong[filled]
        mean = self.raw_sum[filled] / count
        given = mean if curve is None else curve(mean)
        # Confidences of [low, high) share a bin; in error probabilities that is (low, high].
        place = np.clip(np.floor((1 - given) * BINS + 1e-9), 0, BINS - 1).astype(int)
        sums = (count, given * count, wrong)
        return np.stack([np.bincount(place, each, BINS) for each in sums])


def joined(tables: Sequence[VoxelTable], weight: np.ndarray, chosen: np.ndarray | None = None) -> VoxelTable:
    """Weighted sum of the tables of all, or of the chosen, images."""
    used = range(len(tables)) if chosen is None else np.flatnonzero(chosen)
    return sum((tables[i] * weight[i] for i in used), VoxelTable.empty())


def ece(sums: np.ndarray) -> float | None:
    """Expected calibration error of added `VoxelTable.calibration_sums`; None without a voxel.

    That of error probabilities equals that of confidences, see `expected_calibration_error`.
    """
    total = sums[0].sum()
    return float(expected_calibration_error(sums[2] - sums[1], total)) if total else None


@dataclass(frozen=True, eq=False)
class ErrorCurve:
    """Piecewise linear: ``raw`` (n,) increases from 0 to 1, ``calibrated`` (n,) does not decrease."""

    raw: np.ndarray
    calibrated: np.ndarray

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated error probabilities, of any shape."""
        return np.interp(raw, self.raw, self.calibrated)


def fit_error_curve(table: VoxelTable, knots: int = KNOTS) -> ErrorCurve:
    """Isotonic regression of errors on the raw error probability.

    The voxels are first binned so that each bin holds about equally many wrong ones and no point of the curve
    depends on a few voxels.

    Parameters
    ----------
    table : VoxelTable
        Of the voxels to fit on, of which at least one is wrong.
    knots : int
        Largest number of bins, and so of points between the two ends.

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
    """Voxels, raw sums and wrong voxels (3, at most ``bins``), with equally many wrong voxels in each bin."""
    filled = table.count > 0
    sums = np.stack([table.count[filled], table.raw_sum[filled], table.wrong[filled]])
    share = np.cumsum(sums[2]) / sums[2].sum()
    place = np.clip(np.ceil(share * bins - 1e-9) - 1, 0, bins - 1).astype(int)
    joined = np.stack([np.bincount(place, each, bins) for each in sums])
    return joined[:, joined[0] > 0]


def unchanged(table: VoxelTable) -> Curve:
    """The raw error probability."""
    return lambda raw: raw


def sampled(curve: Curve) -> ErrorCurve:
    """A smooth, non-decreasing curve as points with straight lines between them."""
    raw = np.concatenate([[0.0], _SAMPLES, [1.0]])
    return ErrorCurve(raw, np.maximum.accumulate(np.clip(curve(raw), 0, 1)))


def temperature(table: VoxelTable) -> Curve:
    """``sigmoid(logit(x) / T)``, Guo et al., ICML 2017, for the two classes right and wrong."""
    (scale,) = _fit(table, lambda x: [logit(x)], [1.0], [(0.0, None)])
    return lambda raw: expit(scale * logit(_inside(raw)))


def beta(table: VoxelTable) -> Curve:
    """``sigmoid(a ln x - b ln(1 - x) + c)``, Kull, Silva Filho and Flach, AISTATS 2017; a, b >= 0."""
    found = _fit(table, _beta_terms, [1.0, 1.0, 0.0], [(0.0, None), (0.0, None), (None, None)])
    return lambda raw: expit(np.tensordot(found, _beta_terms(_inside(raw)), 1))


def histogram_binning(table: VoxelTable, bins: int = BINS) -> Curve:
    """Share of wrong voxels in each bin, Zadrozny and Elkan, ICML 2001."""
    count, raw, wrong = equal_error_bins(table, bins)
    mean = raw / count
    edges = (mean[1:] + mean[:-1]) / 2
    return lambda x: (wrong / count)[np.searchsorted(edges, x)]


OTHERS = {
    "raw": unchanged,
    "temperature": temperature,
    "beta": beta,
    "histogram binning": histogram_binning,
}


def _beta_terms(x: np.ndarray) -> list[np.ndarray]:
    return [np.log(x), -np.log1p(-x), np.ones_like(x)]


def _inside(raw: np.ndarray) -> np.ndarray:
    return np.clip(raw, _SMALLEST, 1 - _SMALLEST)


def _fit(table: VoxelTable, terms: Callable, start: list[float], bounds: list[tuple]) -> np.ndarray:
    """Weighted logistic regression of errors on terms of the raw error probability.

    The bounds keep the curve from decreasing.
    """
    filled = table.count > 0
    count, wrong = table.count[filled], table.wrong[filled]
    columns = np.stack(terms(_inside(table.raw_sum[filled] / count)))
    total = count.sum()

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        eta = b @ columns
        value = (count * np.logaddexp(0, eta) - wrong * eta).sum() / total
        return float(value), columns @ (count * expit(eta) - wrong) / total

    options = {"ftol": 1e-14, "gtol": 1e-9}
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
