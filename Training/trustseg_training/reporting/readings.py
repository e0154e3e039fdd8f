"""Numbers that several sections read from the summary and the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from trustseg_training.measures.statistics import bootstrap_mean
from trustseg_training.verification.suite import CLEAN
from trustseg_training.verification.tables import Tables

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
