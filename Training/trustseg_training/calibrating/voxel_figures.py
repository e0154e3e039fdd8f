"""How well curves calibrate the error probability, by cross-validation over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .answers import ImageAnswer
from .error_curve import fit_error_curve
from .folds import folds
from .other_curves import OTHERS
from .voxel_table import ECE_BINS, VoxelTable, ece

POOL = "pool"
CURVES: dict[str, Callable] = {**OTHERS, "isotonic": fit_error_curve}

Figures = dict[str, dict[str, dict[str, float | None]]]


def joined(tables: Sequence[VoxelTable], weight: np.ndarray, chosen: np.ndarray | None = None) -> VoxelTable:
    """Sum of (some) images' tables, each with its weight."""
    used = range(len(tables)) if chosen is None else np.flatnonzero(chosen)
    return sum((tables[i] * weight[i] for i in used), VoxelTable.empty())


def curve_figures(answers: Sequence[ImageAnswer], weight: np.ndarray) -> Figures:
    """Calibration errors: near the structures and in the whole image, by condition, by curve.

    The curves are fitted on all voxels of the other patients, as `fitting` does. ``pool`` is over all
    conditions, weighted as `conditions.weights` does; within a condition all images count the same.
    """
    patient = np.array([answer.patient for answer in answers])
    condition = np.array([answer.condition for answer in answers])
    tables = {where: [getattr(answer, where) for answer in answers] for where in ("near", "image")}
    groups = {name: (condition == name, np.ones(len(answers))) for name in dict.fromkeys(condition.tolist())}
    groups[POOL] = np.ones(len(answers), bool), weight
    sums = {
        (where, group, name): np.zeros((3, ECE_BINS))
        for where in tables
        for group in groups
        for name in CURVES
    }
    for fit, left_out in folds(patient):
        curves = {name: make(joined(tables["image"], weight, fit)) for name, make in CURVES.items()}
        for where, group, name in sums:
            inside, own = groups[group]
            table = joined(tables[where], own, left_out & inside)
            sums[where, group, name] += table.calibration_sums(curves[name])
    return {
        where: {group: {name: ece(sums[where, group, name]) for name in CURVES} for group in groups}
        for where in tables
    }
