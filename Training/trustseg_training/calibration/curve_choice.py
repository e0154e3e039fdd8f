"""Choice of the curve of the error probability: by its ECE near the structures, on patients left out.

A curve is fitted on all voxels, since nobody knows where the structures are in a new image, but people look
near the structures. What is right on average there and here need not be right there: of a network with many
errors far away, the best curve of all voxels made the ECE near the structures worse. So a curve is used only
if its ECE near the structures is not above that of the raw probability, of clean images and in the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trustseg_training.metrics.calibration_error import BINS

from .cases import INNER_FOLDS, folds
from .error_curve import ErrorCurve, VoxelTable, beta, ece, fit_error_curve, joined, sampled, temperature

RAW = "raw"

#: Curves that a bundle may have: none that has steps.
CANDIDATES: dict[str, Callable[[VoxelTable], ErrorCurve]] = {
    RAW: lambda table: ErrorCurve(np.array([0.0, 1.0]), np.array([0.0, 1.0])),
    "temperature": lambda table: sampled(temperature(table)),
    "beta": lambda table: sampled(beta(table)),
    "isotonic": fit_error_curve,
}

_ROUNDING = 1e-9

Ece = tuple[float | None, float | None]
"""Of clean images, and in the pool; None without a voxel near a structure."""


@dataclass(frozen=True, eq=False)
class CurveCases:
    """Images to choose a curve on.

    Attributes
    ----------
    patient : np.ndarray
        (n,) names.
    clean : np.ndarray
        (n,) bool.
    weight : np.ndarray
        (n,) see `cases.weights`.
    image, near : sequence of VoxelTable
        Of all voxels, to fit on, and of those near the structures, to choose by.
    """

    patient: np.ndarray
    clean: np.ndarray
    weight: np.ndarray
    image: Sequence[VoxelTable]
    near: Sequence[VoxelTable]

    def take(self, chosen: np.ndarray) -> CurveCases:
        """Some of the images, bool (n,)."""
        image, near = ([tables[i] for i in np.flatnonzero(chosen)] for tables in (self.image, self.near))
        return CurveCases(self.patient[chosen], self.clean[chosen], self.weight[chosen], image, near)

    def near_sums(self, curve: ErrorCurve) -> np.ndarray:
        """`VoxelTable.calibration_sums` of clean images and of the pool, (2, 3, `BINS`)."""
        of_clean = joined(self.near, self.clean.astype(float))
        return np.stack(
            [table.calibration_sums(curve) for table in (of_clean, joined(self.near, self.weight))]
        )


@dataclass(frozen=True)
class Choice:
    """A curve's name, and the ECE near the structures of all candidates in cross-validation."""

    name: str
    considered: dict[str, Ece]


def choose_curve(cases: CurveCases) -> Choice:
    """Choose by cross-validation over patients.

    Of the curves that are not worse than the raw probability, the one with the smallest ECE in the pool. The
    raw probability is chosen where none is better, or where a fold has no wrong voxel to fit on.
    """
    sums = {name: np.zeros((2, 3, BINS)) for name in CANDIDATES}
    for fit, left_out in folds(cases.patient, INNER_FOLDS, seed=1):
        table = joined(cases.image, cases.weight, fit)
        if not table.wrong.any():
            return Choice(RAW, {})
        others = cases.take(left_out)
        for name, make in CANDIDATES.items():
            sums[name] += others.near_sums(make(table))
    found = {name: (ece(of_clean), ece(of_pool)) for name, (of_clean, of_pool) in sums.items()}
    allowed = [name for name, own in found.items() if not is_worse(own, found[RAW])]
    return Choice(min(allowed, key=lambda name: found[name][1] or 0.0), found)


def is_worse(own: Ece, raw: Ece) -> bool:
    """Whether a curve's ECE is above that of the raw probability, of clean images or in the pool."""
    pairs = zip(own, raw, strict=True)
    return any(a is not None and b is not None and a > b + _ROUNDING for a, b in pairs)


def chosen_curve(cases: CurveCases) -> ErrorCurve:
    """Choose and fit a curve on these images."""
    return make_curve(choose_curve(cases).name, cases)


def make_curve(name: str, cases: CurveCases) -> ErrorCurve:
    """Fit one of `CANDIDATES` on all voxels of these images."""
    return CANDIDATES[name](joined(cases.image, cases.weight))
