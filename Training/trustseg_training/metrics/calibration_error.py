"""Calibration of class probabilities: ECE, reliability table, Brier score and negative log-likelihood.

Volumes are large and runs are parallel, so everything is kept as sums that can be added over patches, images
and processes. Calibration is that of the predicted class's confidence (top-label calibration); the class-wise
error of some packages is a different number.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

BINS = 15

#: A probability of 0 for the true label costs as much as this one, -ln(1.2e-7) = 15.9 nat: below it, float32
#: cannot tell a confidence from 1, and one voxel would make the mean infinite.
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)

#: Rounding: how far a probability may leave [0, 1], and a row's sum may differ from 1.
ROUNDING = 1e-3


@dataclass(frozen=True)
class ReliabilityBin:
    """One row of the reliability table; mean confidence and accuracy are None without a voxel.

    The bin holds confidences in [low, high), the last one 1 too.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """Sums over voxels from which calibration is computed; ``first + second`` covers the voxels of both.

    ``Reliability(**dataclasses.asdict(sums))`` restores it, also from JSON.

    Attributes
    ----------
    counts : tuple of int
        (bins,) voxels whose confidence falls into a bin.
    confidence_sums : tuple of float
        (bins,) sum of their confidences.
    correct : tuple of int
        (bins,) how many of them have the right label.
    brier_sum : float
        Sum over voxels of ``sum_k (p_k - [k is the label])^2``.
    nll_sum : float
        Sum over voxels of ``-ln p_label``, in nat.
    """

    counts: tuple[int, ...]
    confidence_sums: tuple[float, ...]
    correct: tuple[int, ...]
    brier_sum: float
    nll_sum: float

    def __post_init__(self) -> None:
        # JSON gives lists, which would neither be equal to tuples nor join as they do.
        for name in ("counts", "confidence_sums", "correct"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    def empty(cls, bins: int = BINS) -> Reliability:
        """Sums over no voxel, to start from: ``sum(parts, Reliability.empty())``."""
        return cls((0,) * bins, (0.0,) * bins, (0,) * bins, 0.0, 0.0)

    def __add__(self, other: Reliability) -> Reliability:
        """Sums over the voxels of both.

        Raises
        ------
        ValueError
            They do not have the same bins.
        """
        if len(self.counts) != len(other.counts):
            raise ValueError(f"{len(self.counts)} and {len(other.counts)} bins cannot be added")
        return Reliability(*(_added(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return sum(self.counts)

    @property
    def ece(self) -> float | None:
        """Expected calibration error, see `expected_calibration_error`; None without a voxel."""
        if not self.voxels:
            return None
        return float(expected_calibration_error(np.array(self.gaps), np.array(self.voxels)))

    @property
    def gaps(self) -> list[float]:
        """Correct voxels less the sum of confidences, by bin."""
        return np.subtract(self.correct, self.confidence_sums).tolist()

    @property
    def brier(self) -> float | None:
        """Brier score over all classes, 0 (certain and right) to 2 (certain and wrong); None without a voxel.

        It is twice the two-class score of the packages that look at one class only.
        """
        return self._mean(self.brier_sum)

    @property
    def nll(self) -> float | None:
        """Negative log-likelihood of the labels in nat per voxel; None without a voxel."""
        return self._mean(self.nll_sum)

    def table(self) -> list[ReliabilityBin]:
        """Reliability table, from the least to the most confident bin."""
        edges = _edges(len(self.counts))
        sums = (self.counts, self.confidence_sums, self.correct)
        columns = zip(edges[:-1], edges[1:], *sums, strict=True)
        return [
            ReliabilityBin(
                float(low), float(high), n, confidence / n if n else None, right / n if n else None
            )
            for low, high, n, confidence, right in columns
        ]

    def _mean(self, total: float) -> float | None:
        return total / self.voxels if self.voxels else None


def expected_calibration_error(gaps: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """ECE, ``sum_b n_b / n |accuracy_b - confidence_b|``, from sums over voxels or from means of such sums.

    Parameters
    ----------
    gaps : np.ndarray
        (..., bins) correct voxels less the sum of their confidences, or wrong voxels less the sum of their
        error probabilities: only the absolute value counts.
    voxels : np.ndarray
        (...,) voxels in all bins together, not 0.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    return np.abs(gaps).sum(axis=-1) / voxels


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> Reliability:
    """Calibration sums of voxels; a bin is [low, high), and a confidence of 1 is in the last one.

    Parameters
    ----------
    probabilities : np.ndarray
        float (N, K) class probabilities.
    labels : np.ndarray
        int (N,) true classes, 0 to K - 1.
    bins : int
        Of equal width over [0, 1].

    Raises
    ------
    ValueError
        These are not probabilities and labels of the same voxels.
    """
    _check(probabilities, labels)
    if len(labels) == 0:
        return Reliability.empty(bins)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    place = np.clip(np.searchsorted(_edges(bins), confidence, side="right") - 1, 0, bins - 1)
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    squares = np.einsum("nk,nk->", probabilities, probabilities, dtype=np.float64)
    return Reliability(
        counts=tuple(np.bincount(place, minlength=bins).tolist()),
        confidence_sums=tuple(np.bincount(place, confidence, bins).tolist()),
        correct=tuple(np.bincount(place[right], minlength=bins).tolist()),
        # sum_k (p_k - y_k)^2 without the (N, K) array of one-hot labels.
        brier_sum=float(squares - 2 * true.sum() + len(labels)),
        nll_sum=float(-np.log(np.maximum(true, LEAST_PROBABILITY)).sum()),
    )


def _edges(bins: int) -> np.ndarray:
    # Not linspace, whose 3 * 0.2 puts a confidence of 0.6 below the edge of 0.6.
    return np.arange(bins + 1) / bins


def _added(first: tuple | float, second: tuple | float) -> tuple | float:
    if isinstance(first, tuple):
        return tuple(a + b for a, b in zip(first, second, strict=True))
    return first + second


def _check(probabilities: np.ndarray, labels: np.ndarray) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        shapes = f"{probabilities.shape} and {labels.shape}"
        raise ValueError(f"probabilities (N, K) and labels (N,) are needed, not {shapes}")
    if len(labels) == 0:
        return
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(f"labels reach from {labels.min()} to {labels.max()}, not 0 to K - 1")
    # Written so that a NaN is refused too.
    in_range = probabilities.min() >= -ROUNDING and probabilities.max() <= 1 + ROUNDING
    if not (in_range and np.abs(probabilities.sum(axis=1) - 1).max() <= ROUNDING):
        raise ValueError("these are no probabilities: each row is to be within [0, 1] and to sum up to 1")
