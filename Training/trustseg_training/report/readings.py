"""Values that the report's sections read from the summary and the tables, and what measures are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from trustseg_training.corruptions import CLEAN
from trustseg_training.metrics.statistics import bootstrap_mean
from trustseg_training.robustness.summary import DETECTION_MEASURES
from trustseg_training.robustness.tables import CALIBRATION_MEASURES, Tables, patient_means
from TrustSegLib.contract import DEFAULT_MAP

#: Bootstrap draws for the bands in plots; the tables have the summary's own intervals.
RESAMPLES = 1000

#: Instead of a condition: the one with the worst value.
WORST = "worst"

#: Instead of a condition: all cases under all conditions.
POOL = "pool"

#: The uncertainty that detects wrong voxels in tables and sentences: the map that people see first.
ERROR = DEFAULT_MAP

#: What measures are called in heads of tables.
TITLES = {
    "dice": "Dice",
    "hd95_mm": "HD95 (mm)",
    "ece": "ECE",
    "brier": "Brier",
    "nll": "NLL",
    "auroc": "AUROC",
    "average_precision": "AUPR",
    "overlap": "Overlap",
    "failure_auroc": "Failure AUROC",
    "aurc": "AURC",
    "excess_aurc": "E-AURC",
    "spearman": "Spearman",
}

_SCORE_TITLES = {
    "expected_dice": "1 \N{MINUS SIGN} expected Dice",
    "pairwise_dice": "1 \N{MINUS SIGN} pairwise Dice of the members",
}

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """A value with its 95 % interval over patients.

    Attributes
    ----------
    value : float or None
        None where it is undefined.
    low, high : float or None
        None without an interval.
    condition : str
        The condition of the worst value, where that was asked for.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    condition: str = ""


def structures_of(summary: Summary) -> list[str]:
    """Names of all structures and regions, in their order."""
    found = (rows["structures"] for model in summary["conditions"].values() for rows in model.values())
    return list(dict.fromkeys(name for structures in found for name in structures))


def cuts_of(summary: Summary) -> list[str]:
    """Titles of all masks of union and cut, in their order."""
    found = (
        rows.get("union_and_cut", {}) for model in summary["conditions"].values() for rows in model.values()
    )
    return list(dict.fromkeys(name for masks in found for name in masks))


def mask_reading(summary: Summary, model: str, condition: str, structure: str, measure: str) -> Reading:
    """A measure of masks, from the summary."""
    return look_up(summary, model, measure, condition, structure) or Reading(None)


def mean_dice(summary: Summary, model: str, condition: str) -> float | None:
    """Mean over the structures of their mean Dice; None if one has none."""
    structures = summary["conditions"][model].get(condition, {}).get("structures", {})
    values = [row["dice"]["value"] for row in structures.values()]
    return float(np.mean(values)) if values and None not in values else None


def worst_condition(summary: Summary, conditions: Sequence[str]) -> str | None:
    """The condition, except clean, with the lowest mean Dice over all models."""
    means = {
        condition: [mean_dice(summary, model, condition) for model in summary["conditions"]]
        for condition in conditions
        if condition != CLEAN
    }
    known = {condition: float(np.mean(values)) for condition, values in means.items() if None not in values}
    return min(known, key=known.get) if known else None


def table_reading(rows: pandas.DataFrame, column: str, scale: float = 1.0) -> Reading:
    """Mean over patients of a column, averaged within each patient first."""
    if column not in rows or rows.empty:
        return Reading(None)
    values = patient_means(rows, column)
    if values.empty:
        return Reading(None)
    found = bootstrap_mean(scale * values.to_numpy(), resamples=RESAMPLES)
    return Reading(found.value, found.low, found.high)


def patients(tables: Tables) -> int:
    """Number of measured patients."""
    return int(tables.cases["patient"].nunique())


def scores_of(summary: Summary) -> list[str]:
    """All case scores that any model has."""
    return list(dict.fromkeys(score for pool in summary["pool"].values() for score in pool))


def score_title(score: str) -> str:
    """What a case score is called."""
    return _SCORE_TITLES.get(score, score.replace("_", " "))


def has_variance(summary: Summary, model: str) -> bool | None:
    """Whether a model's class probabilities have any variance; None if it was not measured."""
    found = [
        rows.get("detection", {}).get("predictive_variance", {}).get(name, {}).get("value")
        for rows in summary["conditions"][model].values()
        for name in ("mean_correct", "mean_wrong")
    ]
    known = [value for value in found if value is not None]
    return any(value > 0 for value in known) if known else None


def look_up(
    summary: Summary, model: str, measure: str, condition: str, of: str = "", low_is_good: bool = False
) -> Reading | None:
    """Look up one value; None if it was not measured.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    model : str
        Its name there.
    measure : str
        Of a structure (``dice``, ``hd95_mm``, ``delta_dice_5`` ..., or absolute values:
        ``absolute_volume_bias``, and ``expected_dice_gap``, the difference of mean expected and mean Dice),
        of voxels (``ece``, ``auroc`` ...), or of the pool (``failure_auroc``, ``aurc``, ``spearman``,
        ``growth``: the share of growing chains, ``brightness``: the absolute relative change under the gain
        that is the condition).
    condition : str
        Its key, `WORST` or `POOL`.
    of : str
        Structure, mask of union and cut, uncertainty or score.
    low_is_good : bool
        Whether the worst value is the largest.
    """
    if condition == POOL or measure == "brightness":
        return _of_pool(summary["pool"].get(model, {}).get(of), measure, condition)
    conditions = summary["conditions"].get(model, {})
    if condition != WORST:
        return _of_condition(conditions.get(condition), measure, of)
    values = list(_named(conditions, measure, of))
    return (max if low_is_good else min)(values, key=lambda each: each.value) if values else None


def _named(conditions: Mapping[str, Any], measure: str, of: str) -> Iterator[Reading]:
    for key, found in conditions.items():
        if (value := _of_condition(found, measure, of)) is not None:
            yield Reading(value.value, value.low, value.high, key)


def _of_condition(found: Mapping[str, Any] | None, measure: str, of: str) -> Reading | None:
    if found is None:
        return None
    if measure in CALIBRATION_MEASURES:
        return _interval(found.get("calibration", {}).get(measure))
    if measure in DETECTION_MEASURES:
        return _interval(found.get("detection", {}).get(of, {}).get(measure))
    structure = {**found.get("union_and_cut", {}), **found.get("structures", {})}.get(of, {})
    if measure == "expected_dice_gap":
        return _gap(_interval(structure.get("expected_dice")), _interval(structure.get("dice")))
    if measure == "absolute_volume_bias":
        return _absolute(_interval(structure.get("volume_bias")))
    return _interval(structure.get(measure))


def _absolute(reading: Reading | None) -> Reading | None:
    return None if reading is None else Reading(abs(reading.value))


def _gap(expected: Reading | None, true: Reading | None) -> Reading | None:
    return None if expected is None or true is None else Reading(abs(expected.value - true.value))


def _of_pool(found: Mapping[str, Any] | None, measure: str, condition: str) -> Reading | None:
    if found is None:
        return None
    if measure == "growth":
        chains = found["growth"]["chains"]
        return Reading(found["growth"]["growing"] / chains) if chains else None
    if measure == "brightness":
        change = found["brightness"].get(condition)
        return None if change is None else Reading(abs(change))
    return _interval(found.get(measure))


def _interval(found: Mapping[str, Any] | None) -> Reading | None:
    if found is None or found["value"] is None:
        return None
    return Reading(found["value"], found.get("low"), found.get("high"))
