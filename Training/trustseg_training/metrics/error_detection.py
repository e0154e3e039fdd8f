"""Detection of errors by uncertainty: of wrong voxels, or of failed cases.

Only the order of the uncertainty matters, not its scale, so models whose maps have different units can be
compared. A measure that needs both right and wrong voxels is None where one of them is absent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ErrorDetection:
    """Uncertainty against error, over a set of voxels.

    Attributes
    ----------
    voxels, errors : int
        Number of voxels and of wrong ones. ``errors / voxels`` is the average precision of an uninformative
        map: state it with the average precision.
    auroc : float or None
        Probability that a wrong voxel is more uncertain than a right one; ties count half.
    average_precision : float or None
        Area under precision and recall of wrong voxels.
    overlap : float or None
        Largest Dice of uncertain and wrong voxels over all thresholds.
    overlap_threshold : float or None
        Where it is reached: voxels at least so uncertain count as uncertain.
    mean_correct, mean_wrong : float or None
        Mean uncertainty of the right and of the wrong voxels.
    """

    voxels: int
    errors: int
    auroc: float | None
    average_precision: float | None
    overlap: float | None
    overlap_threshold: float | None
    mean_correct: float | None
    mean_wrong: float | None


def error_detection(uncertainty: np.ndarray, wrong: np.ndarray) -> ErrorDetection:
    """Every measure of how well uncertainty finds wrong voxels.

    Parameters
    ----------
    uncertainty : np.ndarray
        float (N,), higher is less certain.
    wrong : np.ndarray
        bool (N,), whether the label is wrong.

    Raises
    ------
    ValueError
        The arrays differ in shape, or an uncertainty is not finite.
    """
    ranked = _ranked(uncertainty, wrong)
    overlap, threshold = (None, None) if ranked is None else ranked.best_overlap
    return ErrorDetection(
        voxels=len(wrong),
        errors=int(wrong.sum()),
        auroc=None if ranked is None else ranked.auroc,
        average_precision=None if ranked is None else ranked.average_precision,
        overlap=overlap,
        overlap_threshold=threshold,
        mean_correct=_mean(uncertainty[~wrong]),
        mean_wrong=_mean(uncertainty[wrong]),
    )


def auroc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Area under the receiver operating characteristic; None unless there are both positives and negatives.

    Probability that a positive scores above a negative; ties count half (Mann-Whitney U).

    Parameters
    ----------
    scores : np.ndarray
        (N,).
    positive : np.ndarray
        bool (N,).
    """
    ranked = _ranked(scores, positive)
    return None if ranked is None else ranked.auroc


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Average precision, ``sum_t (recall_t - recall_t-1) precision_t``; None unless both classes occur.

    Area under the precision-recall curve without the optimistic interpolation (Davis and Goadrich, ICML
    2006). Equal scores are one threshold.

    Parameters
    ----------
    scores : np.ndarray
        (N,).
    positive : np.ndarray
        bool (N,).
    """
    ranked = _ranked(scores, positive)
    return None if ranked is None else ranked.average_precision


def best_overlap(uncertainty: np.ndarray, wrong: np.ndarray) -> tuple[float | None, float | None]:
    """Largest Dice of ``uncertainty >= threshold`` and ``wrong`` over all thresholds, and the threshold.

    The higher threshold where two are equally good; (None, None) unless both right and wrong voxels occur.

    Parameters
    ----------
    uncertainty : np.ndarray
        (N,).
    wrong : np.ndarray
        bool (N,).
    """
    ranked = _ranked(uncertainty, wrong)
    return (None, None) if ranked is None else ranked.best_overlap


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Voxels sorted once for all measures.

    Attributes
    ----------
    thresholds : np.ndarray
        Distinct scores from high to low.
    hits, selected : np.ndarray
        Positives and voxels that score at least the threshold.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    selected: np.ndarray

    @property
    def auroc(self) -> float:
        found, alarms = np.append(0, self.hits), np.append(0, self.selected - self.hits)
        area = (np.diff(alarms) * (found[1:] + found[:-1]) / 2).sum()
        return float(area / (found[-1] * alarms[-1]))

    @property
    def average_precision(self) -> float:
        precision = self.hits / self.selected
        return float((np.diff(self.hits, prepend=0) * precision).sum() / self.hits[-1])

    @property
    def best_overlap(self) -> tuple[float, float]:
        overlap = 2 * self.hits / (self.selected + self.hits[-1])
        best = overlap.argmax()
        return float(overlap[best]), float(self.thresholds[best])


def _ranked(scores: np.ndarray, positive: np.ndarray) -> _Ranked | None:
    """None unless both positives and negatives occur."""
    _check(scores, positive)
    if positive.all() or not positive.any():
        return None
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return _Ranked(ranked[last], np.cumsum(positive[order])[last], last + 1)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean(dtype=np.float64)) if len(values) else None


def _check(scores: np.ndarray, positive: np.ndarray) -> None:
    if scores.ndim != 1 or scores.shape != positive.shape:
        raise ValueError(f"two arrays (N,) are needed, not {scores.shape} and {positive.shape}")
    if positive.dtype != bool:
        raise ValueError(
            f"the mask of wrong voxels must be bool, not {positive.dtype}: integers would be indices"
        )
    if not np.isfinite(scores).all():
        raise ValueError("a score is not a finite number")
