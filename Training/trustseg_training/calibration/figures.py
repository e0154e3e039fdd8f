"""How well each part of a calibration does, by cross-validation over patients, beside simpler ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trustseg_training.metrics.case_ranking import rank_correlation
from trustseg_training.metrics.error_detection import auroc

from .answers import ImageAnswer
from .case_quality import cross_validate_quality
from .cases import StructureCases, folds
from .error_curve import ECE_BINS, OTHERS, VoxelTable, ece, fit_error_curve
from .region_review import Found, Review
from .volume_intervals import cross_validate_intervals, without_uncertainty

POOL = "pool"
CURVES: dict[str, Callable] = {**OTHERS, "isotonic": fit_error_curve}

CurveFigures = dict[str, dict[str, dict[str, float | None]]]


def joined(tables: Sequence[VoxelTable], weight: np.ndarray, chosen: np.ndarray | None = None) -> VoxelTable:
    """Sum of (some) images' tables, each with its weight."""
    used = range(len(tables)) if chosen is None else np.flatnonzero(chosen)
    return sum((tables[i] * weight[i] for i in used), VoxelTable.empty())


def curve_figures(answers: Sequence[ImageAnswer], weight: np.ndarray) -> CurveFigures:
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


VolumeFigures = dict[str, dict[str, float]]


def volume_figures(cases: StructureCases) -> VolumeFigures:
    """Coverage and mean width in ml: of the pool, weighted as `conditions.weights` does, and by condition."""
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
        "pool": figures(cases.weight),
        **{name: figures((cases.condition == name).astype(float)) for name in groups},
    }


#: Scores that rank cases by themselves, and whether they rise with the quality.
SINGLE_SCORES = {
    "expected_dice": True,
    "sampled_dice": True,
    "boundary_uncertainty": False,
    "mean_error": False,
}


def quality_figures(cases: StructureCases) -> dict[str, Any]:
    """Error and coverage, of the pool and by condition; and how well cases are ranked by several scores.

    ``pool`` is weighted as `conditions.weights` does. In ``ranking`` all cases count the same, failed ones
    are those below `structure_cases.FAIL_BELOW`, and an empty mask is the worst of all.
    """
    judged = cross_validate_quality(cases)
    error, covered = np.abs(judged.predicted - cases.dsc), judged.covered(cases)
    # Beside the expected Dice taken at its word.
    plain = np.abs(cases.scores["expected_dice"] - cases.dsc)

    def figures(weight: np.ndarray) -> dict[str, float]:
        values = {
            "mean_absolute_error": error,
            "mean_absolute_error_of_expected_dice": plain,
            "coverage": covered,
            "true_dsc": cases.dsc,
            "predicted_dsc": judged.predicted,
        }
        return {name: float(np.average(each, weights=weight)) for name, each in values.items()}

    groups = dict.fromkeys(cases.condition.tolist())
    found: dict[str, Any] = {"pool": figures(cases.weight)}
    found |= {name: figures((cases.condition == name).astype(float)) for name in groups}
    return found | {"ranking": _rankings(cases, judged.predicted)}


def _rankings(cases: StructureCases, predicted: np.ndarray) -> dict[str, dict[str, float | None]]:
    ranked = {"predicted": -predicted}
    for name, rises in SINGLE_SCORES.items():
        values = -cases.scores[name] if rises else cases.scores[name]
        ranked[name] = np.where(cases.is_empty, values.max() + 1, values)
    return {
        name: {"failure_auroc": auroc(risk, cases.failed), "spearman": rank_correlation(-risk, cases.dsc)}
        for name, risk in ranked.items()
    }


PLACES = ("in_regions", "most_uncertain", "in_rim")

RegionFigures = dict[str, dict[str, float | None]]


def region_figures(answers: Sequence[ImageAnswer], weight: np.ndarray) -> RegionFigures:
    """Sums over the images of each condition, and over all of them with their weights as `pool`.

    Returns
    -------
    dict
        By condition ``regions`` and ``voxels``, means over the images; ``thick``, mean number of voxels of
        thick errors; and for each of `PLACES` ``<place>_wrong``, the share of its voxels that are wrong, and
        ``<place>_thick``, the share of all thick errors that lie in it. None where nothing is to be shared.
    """
    condition = np.array([answer.condition for answer in answers])
    reviews = [answer.review for answer in answers]
    groups = {name: (condition == name).astype(float) for name in dict.fromkeys(condition.tolist())}
    return {name: _of_reviews(reviews, own) for name, own in {**groups, POOL: weight}.items()}


def _of_reviews(reviews: Sequence[Review], weight: np.ndarray) -> dict[str, float | None]:
    voxels = _sum([each.voxels for each in reviews], weight)
    rim = _sum([each.rim_voxels for each in reviews], weight)
    thick = _sum([each.everywhere.thick for each in reviews], weight)
    found: dict[str, float | None] = {
        "regions": _sum([each.regions for each in reviews], weight) / weight.sum(),
        "voxels": voxels / weight.sum(),
        "thick": thick / weight.sum(),
    }
    for place in PLACES:
        parts: list[Found] = [getattr(each, place) for each in reviews]
        looked = rim if place == "in_rim" else voxels
        found[f"{place}_wrong"] = _share(_sum([part.wrong for part in parts], weight), looked)
        found[f"{place}_thick"] = _share(_sum([part.thick for part in parts], weight), thick)
    return found


def _sum(values: Sequence[float], weight: np.ndarray) -> float:
    return float(np.asarray(values, float) @ weight)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
