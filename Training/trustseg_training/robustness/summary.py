"""Summary of a robustness test for each model: `summary.json`, read by reports, cards and other programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from trustseg_training.corruptions import CLEAN
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
from TrustSegLib.errors import OptionError
from TrustSegLib.report.files import write_atomically

from .suite import Suite
from .tables import CALIBRATION_MEASURES, Tables, patient_means, selected

SUMMARY_FILE = "summary.json"

MASK_MEASURES = (
    "dice",
    "iou",
    "hd95_mm",
    "surface_dice",
    "over_segmentation",
    "under_segmentation",
    "volume_bias",
)

#: Of union and cut, see `metrics.union_and_cut`.
OVERLAPS = ("dice", "hd95_mm")

#: The Dice that the model itself expects, and the gain from setting its uncertain voxels aside.
SELF_MEASURES = ("expected_dice", *(f"delta_dice_{100 * fraction:g}" for fraction in FRACTIONS))
DETECTION_MEASURES = ("auroc", "average_precision", "overlap", "mean_correct", "mean_wrong")

#: Measures of `case_ranking` in records and group summaries.
RANKING_MEASURES = ("failure_auroc", "aurc", "spearman")

#: Brightness is no severity: its change is evaluated separately.
BRIGHTNESS = "gain"

#: Bootstrap draws of statistics of all patients together.
RESAMPLES = 1000


def summarize(tables: Tables, suite: Suite) -> dict[str, Any]:
    """Means over patients with 95 % intervals by model and condition, and the ranking of all cases.

    Returns
    -------
    dict
        ``conditions[model][condition]`` with ``structures``, ``union_and_cut``, ``detection`` and
        ``calibration``; the ``difference`` of a structure is its Dice less that of the first model, patient
        by patient; ``pool[model][score]`` with the measures of `case_ranking` over all cases under all
        conditions; ``skipped``: which images a condition could not be applied to, and why.
    """
    models = list(dict.fromkeys(tables.cases["model"]))
    conditions = {
        model: {condition: _condition(tables, model, condition, models[0]) for condition in suite.conditions}
        for model in models
    }
    pool = {model: _pool(tables.cases[tables.cases["model"] == model], suite) for model in models}
    return {"conditions": conditions, "pool": pool, "skipped": tables.skipped}


def _condition(tables: Tables, model: str, condition: str, first: str) -> dict[str, Any]:
    rows = selected(tables.structures, model, condition)
    cases = selected(tables.cases, model, condition)
    reference = selected(tables.structures, first, condition)
    structures = {
        str(name): {measure: _mean(part, measure) for measure in (*MASK_MEASURES, *SELF_MEASURES)}
        | {
            "difference": _difference(part, reference[reference["structure"] == name])
            if model != first
            else None
        }
        for name, part in rows.groupby("structure", sort=False)
    }
    return {
        "structures": structures,
        "union_and_cut": {
            str(name): {measure: _mean(part, measure) for measure in OVERLAPS}
            for name, part in selected(tables.cuts, model, condition).groupby("structure", sort=False)
        },
        "detection": _detection(cases),
        "calibration": _calibration(tables, model, condition),
        "snr_db": _number(cases["snr_db"].astype(float).mean()),
        "seconds": _number(cases["seconds"].mean()),
        "within_bound": _number(cases["within_bound"].min()),
    }


def _mean(rows: pandas.DataFrame, measure: str) -> dict[str, float | int | None]:
    values = patient_means(rows, measure).to_numpy()
    if len(values) == 0:
        return {"value": None, "low": None, "high": None, "patients": 0}
    return {**asdict(bootstrap_mean(values)), "patients": len(values)}


def _difference(rows: pandas.DataFrame, reference: pandas.DataFrame) -> dict | None:
    both = pandas.concat([patient_means(rows, "dice"), patient_means(reference, "dice")], axis=1).dropna()
    if both.empty:
        return None
    return asdict(paired_difference(both.iloc[:, 0].to_numpy(), both.iloc[:, 1].to_numpy()))


def _detection(cases: pandas.DataFrame) -> dict[str, dict[str, dict]]:
    """Detection of wrong voxels near the structures, mean over patients."""
    ending = "_near_auroc"
    uncertainties = [name.removesuffix(ending) for name in cases.columns if name.endswith(ending)]
    return {
        name: {measure: _mean(cases, f"{name}_near_{measure}") for measure in DETECTION_MEASURES}
        for name in uncertainties
    }


def _calibration(tables: Tables, model: str, condition: str) -> dict[str, dict]:
    """Calibration of all patients' voxels near the structures together, with intervals over patients."""
    cases = selected(tables.cases, model, condition)
    sums = {
        patient: np.stack([_row(tables.reliability[model, condition, case]) for case in rows["case"]])
        for patient, rows in cases.groupby("patient")
    }
    return {
        name: _interval(sums, lambda rows, name=name: _calibration_measure(rows, name))
        for name in CALIBRATION_MEASURES
    }


def _row(sums: Reliability) -> np.ndarray:
    """All sums in one row, so that they can be drawn and added as numbers."""
    return np.concatenate([np.ravel(value) for value in asdict(sums).values()])


def _calibration_measure(rows: np.ndarray, name: str) -> float | None:
    """ECE, Brier score or NLL of added rows."""
    *bins, brier, nll = rows.sum(axis=0)
    counts, confidences, correct = np.reshape(bins, (3, -1)).tolist()
    return getattr(Reliability(counts, confidences, correct, brier, nll), name)


def _interval(values: dict[str, np.ndarray], statistic) -> dict[str, float | None]:
    if not values:
        return {"value": None, "low": None, "high": None}
    found = bootstrap_statistic(values, statistic, resamples=RESAMPLES)
    return {"value": found.value, "low": found.low, "high": found.high}


def _pool(cases: pandas.DataFrame, suite: Suite) -> dict[str, dict[str, Any]]:
    """Ranking by every score over all cases under all conditions."""
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
    """A score of each image along each corruption, from clean to the most severe."""
    table = cases.pivot_table(index="case", columns="condition", values=score)
    found = []
    for keys in _ladders(suite):
        if set(keys) <= set(table.columns):
            found += table[keys].dropna().to_numpy().tolist()
    return found


def _ladders(suite: Suite) -> Iterable[list[str]]:
    """Keys of each corruption at each place by increasing severity, the clean image first."""
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


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Write ``summary.json``, whole or not at all.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    write_atomically(path, f"{json.dumps(summary, indent=1, allow_nan=False)}\n".encode())


def read_summary(folder: Path) -> dict[str, Any]:
    """Content of the ``summary.json`` of a finished verification.

    Raises
    ------
    OptionError
        There is none, or it is damaged.
    """
    path = folder / SUMMARY_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: no summary of a verification ({error}); verify, then go on") from error
    if not isinstance(found, dict) or not {"conditions", "pool", "models"} <= set(found):
        raise OptionError(f"{path}: not the summary of a verification; name the folder that verify wrote")
    return found
