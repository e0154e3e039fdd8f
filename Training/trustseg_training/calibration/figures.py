"""Performance of each part of a calibration in cross-validation over patients, beside simpler methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trustseg_training.corruptions import CLEAN
from trustseg_training.metrics.calibration_error import BINS
from trustseg_training.metrics.case_ranking import rank_correlation
from trustseg_training.metrics.error_detection import auroc

from .case_quality import constant_errors, cross_validate_quality
from .cases import StructureCases, folds
from .curve_choice import RAW, CurveCases, chosen_curve, is_worse
from .error_curve import OTHERS, ece, fit_error_curve, joined
from .results import ImageResult
from .volume_intervals import cross_validate_intervals, without_uncertainty

POOL = "pool"
CURVES: dict[str, Callable] = {**OTHERS, "isotonic": fit_error_curve}

#: Column of the curve that the bundle uses: chosen and fitted anew in every fold.
USED = "used"

#: Scores that rank cases by themselves, and whether they increase with the quality.
SINGLE_SCORES = {
    "expected_dice": True,
    "sampled_dice": True,
    "boundary_uncertainty": False,
    "mean_error": False,
}

CurveFigures = dict[str, dict[str, dict[str, float | None]]]
VolumeFigures = dict[str, dict[str, float]]


def curve_cases(results: Sequence[ImageResult], weight: np.ndarray) -> CurveCases:
    """What a curve is chosen on."""
    patient, condition = (np.array([getattr(a, name) for a in results]) for name in ("patient", "condition"))
    image, near = ([getattr(result, where) for result in results] for where in ("image", "near"))
    return CurveCases(patient, condition == CLEAN, weight, image, near)


def curve_figures(results: Sequence[ImageResult], weight: np.ndarray) -> CurveFigures:
    """Calibration errors: near the structures and in the whole image, by condition, by curve.

    The curves are fitted on all voxels of the other patients, as in `fitting`. ``pool`` covers all conditions
    with `cases.case_weights`; within a condition all images count the same. In `USED`, the curve is also
    chosen on the other patients; if that raises the ECE near the structures, no curve is used at all.
    """
    cases = curve_cases(results, weight)
    condition = np.array([result.condition for result in results])
    tables = {"near": cases.near, "image": cases.image}
    names = (*CURVES, USED)
    groups = {name: (condition == name, np.ones(len(results))) for name in dict.fromkeys(condition.tolist())}
    groups[POOL] = np.ones(len(results), bool), weight
    sums = {
        (where, group, name): np.zeros((3, BINS)) for where in tables for group in groups for name in names
    }
    for fit, left_out in folds(cases.patient):
        curves = {name: make(joined(cases.image, weight, fit)) for name, make in CURVES.items()}
        curves[USED] = chosen_curve(cases.take(fit))
        for where, group, name in sums:
            inside, own = groups[group]
            table = joined(tables[where], own, left_out & inside)
            sums[where, group, name] += table.calibration_sums(curves[name])
    figures = {
        where: {group: {name: ece(sums[where, group, name]) for name in names} for group in groups}
        for where in tables
    }
    if raises_error(figures):
        for row in (row for by_group in figures.values() for row in by_group.values()):
            row[USED] = row[RAW]
    return figures


def raises_error(figures: CurveFigures) -> bool:
    """Whether the chosen curve is worse than none near the structures, of clean images or in the pool."""
    near = [figures["near"].get(group, {}) for group in (CLEAN, POOL)]
    used, raw = (tuple(row.get(name) for row in near) for name in (USED, RAW))
    return is_worse(used, raw)


def volume_figures(cases: StructureCases) -> VolumeFigures:
    """Coverage and mean width in ml: of the pool, with `cases.case_weights`, and by condition."""
    own, plain = cross_validate_intervals(cases), cross_validate_intervals(cases, without_uncertainty)

    def figures(weight: np.ndarray) -> dict[str, float]:
        values = {
            "coverage": own.covered,
            "mean_width_ml": own.width_ml,
            "coverage_without_uncertainty": plain.covered,
            "mean_width_without_uncertainty_ml": plain.width_ml,
        }
        return {name: float(np.average(each, weights=weight)) for name, each in values.items()}

    groups = dict.fromkeys(cases.condition.tolist())
    return {
        POOL: figures(cases.weight),
        **{name: figures((cases.condition == name).astype(float)) for name in groups},
    }


def quality_figures(cases: StructureCases) -> dict[str, Any]:
    """Error and coverage of the predicted DSC, pooled and by condition, and the ranking by several scores.

    ``pool`` has `cases.case_weights`. In ``ranking`` all cases that are fitted on count the same, and an
    empty mask ranks as the worst of all.
    """
    validated = cross_validate_quality(cases)
    error, covered = np.abs(validated.predicted - cases.dsc), validated.covered(cases)
    # For comparison: the expected Dice as the prediction.
    plain = np.abs(cases.scores["expected_dice"] - cases.dsc)
    constant = constant_errors(cases)

    def figures(weight: np.ndarray) -> dict[str, float]:
        values = {
            "mean_absolute_error": error,
            "mean_absolute_error_of_expected_dice": plain,
            "mean_absolute_error_of_constant": constant,
            "coverage": covered,
            "true_dsc": cases.dsc,
            "predicted_dsc": validated.predicted,
        }
        return {name: float(np.average(each, weights=weight)) for name, each in values.items()}

    groups = dict.fromkeys(cases.condition.tolist())
    found: dict[str, Any] = {POOL: figures(cases.weight)}
    found |= {name: figures((cases.condition == name).astype(float)) for name in groups}
    return found | {"ranking": _rankings(cases.take(cases.seen), validated.predicted[cases.seen])}


def _rankings(cases: StructureCases, predicted: np.ndarray) -> dict[str, dict[str, float | None]]:
    ranked = {"predicted": -predicted}
    for name, rises in SINGLE_SCORES.items():
        values = -cases.scores[name] if rises else cases.scores[name]
        ranked[name] = np.where(cases.is_empty, values.max() + 1, values)
    return {
        name: {"failure_auroc": auroc(risk, cases.failed), "spearman": rank_correlation(-risk, cases.dsc)}
        for name, risk in ranked.items()
    }
