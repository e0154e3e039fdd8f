"""Numbers that several sections read from the summary and the tables, also by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from trustseg_training.metrics.statistics import bootstrap_mean
from trustseg_training.robustness.suite import CLEAN
from trustseg_training.robustness.tables import Tables

#: Of the bands in plots; the tables have the summary's own intervals.
RESAMPLES = 1000

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """A mean over patients with its 95 % interval; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


def structures_of(summary: Summary) -> list[str]:
    """Names of all structures and regions, in their order."""
    found = (rows["structures"] for model in summary["conditions"].values() for rows in model.values())
    return list(dict.fromkeys(name for structures in found for name in structures))


def mask_reading(summary: Summary, model: str, condition: str, structure: str, measure: str) -> Reading:
    """A measure of masks, from the summary."""
    structures = summary["conditions"][model].get(condition, {}).get("structures", {})
    found = structures.get(structure, {}).get(measure) or {}
    return Reading(found.get("value"), found.get("low"), found.get("high"))


def mean_dice(summary: Summary, model: str, condition: str) -> float | None:
    """Mean over the structures of their mean Dice; None if one has none."""
    structures = summary["conditions"][model].get(condition, {}).get("structures", {})
    values = [row["dice"]["value"] for row in structures.values()]
    return float(np.mean(values)) if values and None not in values else None


def worst_condition(summary: Summary, conditions: Sequence[str]) -> str | None:
    """The condition, other than clean, with the lowest mean Dice over all models."""
    means = {
        condition: [mean_dice(summary, model, condition) for model in summary["conditions"]]
        for condition in conditions
        if condition != CLEAN
    }
    known = {condition: float(np.mean(values)) for condition, values in means.items() if None not in values}
    return min(known, key=known.get) if known else None


def table_reading(rows: pandas.DataFrame, column: str, scale: float = 1.0) -> Reading:
    """Mean over patients of a column, each patient's rows taken together."""
    if column not in rows or rows.empty:
        return Reading(None)
    values = rows.assign(value=rows[column].astype(float)).groupby("patient")["value"].mean().dropna()
    if values.empty:
        return Reading(None)
    found = bootstrap_mean(scale * values.to_numpy(), resamples=RESAMPLES)
    return Reading(found.value, found.low, found.high)


def selected(table: pandas.DataFrame, model: str, condition: str) -> pandas.DataFrame:
    """Rows of one model under one condition."""
    return table[(table["model"] == model) & (table["condition"] == condition)]


def patients(tables: Tables) -> int:
    """How many patients were measured."""
    return int(tables.cases["patient"].nunique())


def scores_of(summary: Summary) -> list[str]:
    """Every score per case that a model has."""
    return list(dict.fromkeys(score for pool in summary["pool"].values() for score in pool))


def has_variance(summary: Summary, model: str) -> bool | None:
    """Whether a model's class probabilities have any variance; None if that was not measured."""
    found = [
        rows.get("detection", {}).get("predictive_variance", {}).get(name, {}).get("value")
        for rows in summary["conditions"][model].values()
        for name in ("mean_correct", "mean_wrong")
    ]
    known = [value for value in found if value is not None]
    return any(value > 0 for value in known) if known else None


#: Instead of a condition: the one in which the value is worst.
WORST = "worst"

#: Instead of a condition: all cases under all conditions.
POOL = "pool"

_CALIBRATION = ("ece", "brier", "nll")
_DETECTION = ("auroc", "average_precision", "overlap", "mean_correct", "mean_wrong")


@dataclass(frozen=True)
class Measured:
    """A value, its 95 % interval where there is one, and the condition if it is the worst of all."""

    value: float
    low: float | None = None
    high: float | None = None
    condition: str = ""


def measured(
    summary: Summary, model: str, measure: str, condition: str, of: str = "", low_is_good: bool = False
) -> Measured | None:
    """Look one number up; None if it was not measured.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    model : str
        Its name there.
    measure : str
        Of a structure (``dice``, ``hd95_mm``, ``delta_dice_5`` ..., or ``expected_dice_gap``: how far the
        mean expected Dice is from the mean Dice), of voxels (``ece``, ``auroc`` ...), or of the pool
        (``failure_auroc``, ``aurc``, ``spearman``, ``growth``: the share of growing chains, ``brightness``:
        the size of the relative change under the gain that is the condition).
    condition : str
        Its key, `WORST` or `POOL`.
    of : str
        Structure, uncertainty or score.
    low_is_good : bool
        Which value is the worst one.
    """
    if condition == POOL or measure == "brightness":
        return _of_pool(summary["pool"].get(model, {}).get(of), measure, condition)
    conditions = summary["conditions"].get(model, {})
    if condition != WORST:
        return _of_condition(conditions.get(condition), measure, of)
    values = list(_named(conditions, measure, of))
    return (max if low_is_good else min)(values, key=lambda each: each.value) if values else None


def _named(conditions: Mapping[str, Any], measure: str, of: str) -> Iterator[Measured]:
    for key, found in conditions.items():
        if (value := _of_condition(found, measure, of)) is not None:
            yield Measured(value.value, value.low, value.high, key)


def _of_condition(found: Mapping[str, Any] | None, measure: str, of: str) -> Measured | None:
    if found is None:
        return None
    if measure in _CALIBRATION:
        return _interval(found["calibration"].get(measure))
    if measure in _DETECTION:
        return _interval(found["detection"].get(of, {}).get(measure))
    structure = found["structures"].get(of, {})
    if measure == "expected_dice_gap":
        return _gap(_interval(structure.get("expected_dice")), _interval(structure.get("dice")))
    return _interval(structure.get(measure))


def _gap(expected: Measured | None, true: Measured | None) -> Measured | None:
    return None if expected is None or true is None else Measured(abs(expected.value - true.value))


def _of_pool(found: Mapping[str, Any] | None, measure: str, condition: str) -> Measured | None:
    if found is None:
        return None
    if measure == "growth":
        chains = found["growth"]["chains"]
        return Measured(found["growth"]["growing"] / chains) if chains else None
    if measure == "brightness":
        change = found["brightness"].get(condition)
        return None if change is None else Measured(abs(change))
    return _interval(found.get(measure))


def _interval(found: Mapping[str, Any] | None) -> Measured | None:
    if found is None or found["value"] is None:
        return None
    return Measured(found["value"], found.get("low"), found.get("high"))
