"""What the tables say of each model, for the report, the card of a bundle and other programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas

from trustseg_training.metrics.calibration_error import Reliability
from trustseg_training.metrics.case_ranking import (
    aurc,
    excess_aurc,
    failure_auroc,
    growth,
    rank_correlation,
    relative_change,
)
from trustseg_training.metrics.filtering import FRACTIONS
from trustseg_training.metrics.statistics import bootstrap_mean, bootstrap_statistic, paired_difference

from .suite import CLEAN, Suite
from .tables import Tables

MASK_MEASURES = ("dice", "iou", "hd95_mm", "surface_dice", "over_segmentation", "under_segmentation")

#: What the model says of itself, and what following it gains.
SELF_MEASURES = ("expected_dice", *(f"delta_dice_{100 * fraction:g}" for fraction in FRACTIONS))
DETECTION_MEASURES = ("auroc", "average_precision", "overlap", "mean_correct", "mean_wrong")
CALIBRATION_MEASURES = ("ece", "brier", "nll")

#: Brightness is no severity: its change is judged alone.
BRIGHTNESS = "gain"

#: Bootstrap draws of what is measured on all patients together.
RESAMPLES = 1000


def summarize(tables: Tables, suite: Suite) -> dict[str, Any]:
    """Means over patients with 95 % intervals, by model and condition, and what the pool of all cases says.

    Returns
    -------
    dict
        ``conditions[model][condition]`` with ``structures``, ``detection``, ``calibration`` and
        ``difference`` (Dice less that of the first model, patient by patient); ``pool[model][score]`` with
        the measures of `case_ranking` over all cases under all conditions; ``skipped``, which images could
        not have a condition, and why.
    """
    models = list(dict.fromkeys(tables.cases["model"]))
    conditions = {
        model: {condition: _condition(tables, model, condition, models[0]) for condition in suite.conditions}
        for model in models
    }
    pool = {model: _pool(tables.cases[tables.cases["model"] == model], suite) for model in models}
    return {"conditions": conditions, "pool": pool, "skipped": tables.skipped}


def _condition(tables: Tables, model: str, condition: str, first: str) -> dict[str, Any]:
    rows = _selected(tables.structures, model, condition)
    cases = _selected(tables.cases, model, condition)
    reference = _selected(tables.structures, first, condition)
    structures = {
        str(name): {measure: _mean(part, measure) for measure in (*MASK_MEASURES, *SELF_MEASURES)}
        | {"difference": _difference(part, reference[reference["structure"] == name], model != first)}
        for name, part in rows.groupby("structure", sort=False)
    }
    return {
        "structures": structures,
        "detection": _detection(cases),
        "calibration": _calibration(tables, model, condition),
        "snr_db": _number(cases["snr_db"].astype(float).mean()),
        "seconds": _number(cases["seconds"].mean()),
        "within_bound": _number(cases["within_bound"].min()),
    }


def _selected(table: pandas.DataFrame, model: str, condition: str) -> pandas.DataFrame:
    return table[(table["model"] == model) & (table["condition"] == condition)]


def _by_patient(rows: pandas.DataFrame, measure: str) -> pandas.Series:
    """Mean of each patient, of those that have a value."""
    return rows.assign(value=rows[measure].astype(float)).groupby("patient")["value"].mean().dropna()


def _mean(rows: pandas.DataFrame, measure: str) -> dict[str, float | int | None]:
    values = _by_patient(rows, measure).to_numpy()
    if len(values) == 0:
        return {"value": None, "low": None, "high": None, "patients": 0}
    return {**asdict(bootstrap_mean(values)), "patients": len(values)}


def _difference(rows: pandas.DataFrame, reference: pandas.DataFrame, wanted: bool) -> dict | None:
    if not wanted:
        return None
    both = pandas.concat([_by_patient(rows, "dice"), _by_patient(reference, "dice")], axis=1).dropna()
    if both.empty:
        return None
    return asdict(paired_difference(both.iloc[:, 0].to_numpy(), both.iloc[:, 1].to_numpy()))


def _detection(cases: pandas.DataFrame) -> dict[str, dict[str, dict]]:
    """Of wrong voxels near the structures, mean over patients."""
    ending = "_near_auroc"
    uncertainties = [name.removesuffix(ending) for name in cases.columns if name.endswith(ending)]
    return {
        name: {measure: _mean(cases, f"{name}_near_{measure}") for measure in DETECTION_MEASURES}
        for name in uncertainties
    }


def _calibration(tables: Tables, model: str, condition: str) -> dict[str, dict]:
    """Of all patients' voxels near the structures together, with intervals over patients."""
    cases = _selected(tables.cases, model, condition)
    sums = {
        patient: np.stack([_row(tables.reliability[model, condition, case]) for case in rows["case"]])
        for patient, rows in cases.groupby("patient")
    }
    return {name: _interval(sums, lambda rows, name=name: _of(rows, name)) for name in CALIBRATION_MEASURES}


def _row(sums: Reliability) -> np.ndarray:
    """All sums one behind the other, so that they can be drawn and added as numbers."""
    return np.concatenate([np.ravel(value) for value in asdict(sums).values()])


def _of(rows: np.ndarray, name: str) -> float | None:
    """ECE, Brier score or NLL of added sums."""
    *bins, brier, nll = rows.sum(axis=0)
    counts, confidences, correct = np.reshape(bins, (3, -1)).tolist()
    return getattr(Reliability(counts, confidences, correct, brier, nll), name)


def _interval(values: dict[str, np.ndarray], statistic) -> dict[str, float | None]:
    if not values:
        return {"value": None, "low": None, "high": None}
    found = bootstrap_statistic(values, statistic, resamples=RESAMPLES)
    return {"value": found.value, "low": found.low, "high": found.high}


def _pool(cases: pandas.DataFrame, suite: Suite) -> dict[str, dict[str, Any]]:
    """Every score over all cases under all conditions."""
    scores = [name for name in cases.columns if name.startswith("score_") and cases[name].notna().any()]
    return {
        name.removeprefix("score_"): _ranking(cases.dropna(subset=[name]), name, suite) for name in scores
    }


def _ranking(cases: pandas.DataFrame, score: str, suite: Suite) -> dict[str, Any]:
    pairs = {
        patient: rows[[score, "dice"]].to_numpy(float)
        for patient, rows in cases.groupby("patient", sort=False)
    }
    grown = growth(chains(cases, score, suite))
    return {
        "failure_auroc": _interval(pairs, lambda rows: failure_auroc(rows[:, 0], rows[:, 1])),
        "aurc": _interval(pairs, lambda rows: aurc(rows[:, 0], 1 - rows[:, 1])),
        "excess_aurc": _interval(pairs, lambda rows: excess_aurc(rows[:, 0], 1 - rows[:, 1])),
        "spearman": _interval(pairs, lambda rows: rank_correlation(rows[:, 0], rows[:, 1])),
        "growth": {"growing": grown.growing, "chains": grown.chains},
        "brightness": dict(_brightness(cases, score)),
    }


def chains(cases: pandas.DataFrame, score: str, suite: Suite) -> list[list[float]]:
    """A score of each image along each corruption, from the clean image to the worst one."""
    table = cases.pivot_table(index="case", columns="condition", values=score)
    found = []
    for keys in _ladders(suite):
        if set(keys) <= set(table.columns):
            found += table[keys].dropna().to_numpy().tolist()
    return found


def _ladders(suite: Suite) -> Iterable[list[str]]:
    """Keys of each corruption at each place by rising strength, the clean image first."""
    ladders: dict[tuple, list] = {}
    for corruption in suite.corruptions:
        if corruption.name != BRIGHTNESS:
            kind = (corruption.name, corruption.where, corruption.severity is None)
            ladders.setdefault(kind, []).append(corruption)
    for steps in ladders.values():
        steps.sort(key=lambda each: -each.snr_db if each.snr_db is not None else each.severity)
        yield [CLEAN, *(each.key for each in steps)]


def _brightness(cases: pandas.DataFrame, score: str) -> Iterable[tuple[str, float | None]]:
    """Relative change of the mean score under each gain."""
    means = cases.groupby("condition", sort=False)[score].mean()
    for condition in means.index:
        if condition.startswith(f"{BRIGHTNESS}-"):
            yield condition, relative_change(float(means[CLEAN]), float(means[condition]))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
