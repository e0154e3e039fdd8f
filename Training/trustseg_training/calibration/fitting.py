"""Fit all parts of a calibration to a model's results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from trustseg_training.corruptions import CLEAN
from trustseg_training.metrics.case_ranking import FAILURE_DICE
from TrustSegLib.contract import CALIBRATION_SCHEMA, DEFAULT_MAP, calibration_sentence
from TrustSegLib.uncertainty import Calibration
from TrustSegLib.uncertainty.calibration_checks import check_interval, check_map, check_quality

from .case_quality import fit_quality, unusual_below
from .cases import FOLDS, StructureCases, case_weights, folds
from .curve_choice import RAW, Choice, choose_curve, make_curve
from .error_curve import joined
from .figures import (
    POOL,
    USED,
    curve_cases,
    curve_figures,
    quality_figures,
    volume_figures,
)
from .results import ImageResult
from .volume_intervals import LEVEL, fit_volume_rule

#: With fewer, nine tenths of them are not enough for a 90 % quantile.
LEAST_PATIENTS = 10

#: The curve needs voxels, of which few patients have many; but the patients must differ.
LEAST_PATIENTS_OF_CURVE = 5

Part = tuple[Any, dict[str, Any], list[str]]
"""Content, figures and the reasons for what is left out."""


class _Named(NamedTuple):
    """A structure as the library names it."""

    label: int
    name: str


@dataclass(frozen=True)
class Fitted:
    """A fitted calibration.

    Attributes
    ----------
    record : dict
        What it was fitted on.
    content : dict or None
        Of a bundle's `calibration.json`; None if no part could be fitted.
    figures : dict
        Performance in cross-validation for the model card: by condition, and beside other methods. And
        ``statement``, which parts people will not see called calibrated.
    left_out : tuple of str
        Sentences: which part is missing, and why.
    """

    record: dict[str, Any]
    content: dict[str, Any] | None
    figures: dict[str, Any]
    left_out: tuple[str, ...]


def fit_all(
    results: Sequence[ImageResult],
    data: str,
    structures: Mapping[int, str],
    unseen: Collection[str] = (),
) -> Fitted:
    """Fit every part for which there are enough patients.

    Parameters
    ----------
    results : sequence of ImageResult
        Of validation patients.
    data : str
        Name of the data set, for the record.
    structures : mapping of int to str
        Names by label.
    unseen : collection of str
        Conditions that are measured like all others, but that no fit, choice or check may see.
    """
    patients = len({result.patient for result in results})
    conditions = dict.fromkeys(result.condition for result in results)
    record = {
        "data": data,
        "patients": patients,
        "conditions": [name for name in conditions if name not in unseen],
        "cases": sum(result.condition not in unseen for result in results),
        "folds": min(FOLDS, patients),
    }
    parts: dict[str, Any] = {}
    figures: dict[str, Any] = {"unseen": [name for name in conditions if name in unseen]}
    left_out: list[str] = []
    for part, least, fit in (
        (DEFAULT_MAP, LEAST_PATIENTS_OF_CURVE, partial(_curve, unseen=unseen)),
        ("volumes", LEAST_PATIENTS, partial(_volumes, structures=structures, unseen=unseen)),
        ("quality", LEAST_PATIENTS, partial(_quality, structures=structures, unseen=unseen)),
    ):
        if patients < least:
            left_out.append(f"{part} left out: {patients} validation patients, at least {least} are needed")
            continue
        parts[part], figures[part], missing = fit(results)
        left_out += missing
    parts = {name: part for name, part in parts.items() if part}
    content = {"schema": CALIBRATION_SCHEMA, "record": record, **parts} if parts else None
    figures["statement"] = _statement(content, structures)
    return Fitted(record, content, figures, tuple(left_out))


def _statement(content: Mapping[str, Any] | None, structures: Mapping[int, str]) -> str:
    named = [_Named(label, name) for label, name in structures.items()]
    summary = None if content is None else Calibration.parse(content).summary(named)
    return calibration_sentence(summary) or "Every part is calibrated."


def _curve(results: Sequence[ImageResult], unseen: Collection[str]) -> Part:
    weight = weights_of(results, unseen)
    cases = curve_cases(results, weight)
    for fit, _ in folds(cases.patient):
        if not joined(cases.image, weight, fit).wrong.any():
            return None, {}, [f"{DEFAULT_MAP} left out: hardly any voxel is wrong"]
    figures, choice = curve_figures(results, weight), choose_curve(cases)
    name, reason = _decided(figures, choice)
    curve = make_curve(name, cases)
    clean, pool = figures["near"][CLEAN], figures["near"][POOL]
    part = {
        "curve": name,
        "raw": curve.raw.tolist(),
        "calibrated": curve.calibrated.tolist(),
        "ece_before": pool[RAW],
        "ece_after": pool[USED],
        "check": check_map(pool[RAW], pool[USED], (clean[RAW], clean[USED])).to_json(),
    }
    return part, {**figures, "choice": {"curve": name, "reason": reason}}, []


def _decided(figures: Mapping[str, Any], choice: Choice) -> tuple[str, str]:
    """Name of the curve that is used, and why."""
    pool = figures["near"][POOL]
    if choice.name != RAW and pool[USED] == pool[RAW]:
        return RAW, f"chosen anew in every fold, a curve ({choice.name}) raises the ECE near the structures"
    if choice.name == RAW:
        return RAW, "no curve lowers the ECE near the structures on patients left out"
    return choice.name, "the smallest ECE near the structures on patients left out"


def weights_of(results: Sequence[ImageResult], unseen: Collection[str]) -> np.ndarray:
    """`case_weights` of all images."""
    patient, condition = (np.array([getattr(a, name) for a in results]) for name in ("patient", "condition"))
    return case_weights(patient, condition, unseen)


def _volumes(results: Sequence[ImageResult], structures: Mapping[int, str], unseen: Collection[str]) -> Part:
    parts, figures = [], {}
    for label, name in structures.items():
        cases = StructureCases.of(results, label, unseen)
        rule, figures[name] = fit_volume_rule(cases), volume_figures(cases)
        pool = figures[name][POOL]
        parts.append(
            {
                "label": label,
                "level": LEVEL,
                "center": rule.center,
                "quantile": rule.quantile,
                "floor_ml": rule.floor_ml,
                "coverage": pool["coverage"],
                "mean_width_ml": pool["mean_width_ml"],
                "mean_width_without_uncertainty_ml": pool["mean_width_without_uncertainty_ml"],
                "cases": int(cases.seen.sum()),
                "check": check_interval(
                    LEVEL,
                    len(np.unique(cases.patient)),
                    pool["coverage"],
                    figures[name][CLEAN]["coverage"],
                ).to_json(),
            }
        )
    return parts, figures, []


def _quality(results: Sequence[ImageResult], structures: Mapping[int, str], unseen: Collection[str]) -> Part:
    parts, figures, left_out = [], {}, []
    for label, name in structures.items():
        cases = StructureCases.of(results, label, unseen)
        found = len(np.unique(cases.masks().patient))
        if found < LEAST_PATIENTS:
            left_out.append(f"quality of {name} left out: segmented in {found} patients only")
            continue
        rule, figures[name] = fit_quality(cases), quality_figures(cases)
        parts.append(_quality_part(label, rule, cases, figures[name]))
    return parts, figures, left_out


def _quality_part(label: int, rule: Any, cases: StructureCases, figures: Mapping[str, Any]) -> dict[str, Any]:
    model, pool, clean = rule.model, figures[POOL], figures[CLEAN]
    check = check_quality(
        LEVEL,
        len(np.unique(cases.patient)),
        error=pool["mean_absolute_error"],
        coverage=pool["coverage"],
        clean_error=clean["mean_absolute_error"],
        clean_bias=clean["predicted_dsc"] - clean["true_dsc"],
        gain=pool["mean_absolute_error_of_constant"] - pool["mean_absolute_error"],
    )
    return {
        "label": label,
        "features": list(model.features),
        "center": model.center.tolist(),
        "scale": model.scale.tolist(),
        "coefficients": model.coefficients.tolist(),
        "intercept": model.intercept,
        "low": rule.low,
        "high": rule.high,
        "level": LEVEL,
        "fail_below": FAILURE_DICE,
        "unusual_below": unusual_below(rule, cases),
        "cases": int(cases.seen.sum()),
        "coverage": figures[POOL]["coverage"],
        "mean_absolute_error": figures[POOL]["mean_absolute_error"],
        "failure_auroc": figures["ranking"]["predicted"]["failure_auroc"],
        "check": check.to_json(),
    }
