"""Fit all parts of a calibration to a model's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from trustseg_training.metrics.case_ranking import FAILURE_DICE
from TrustSegLib.contract import CALIBRATION_SCHEMA, DEFAULT_MAP

from .case_quality import fit_quality, unusual_below
from .cases import FOLDS, StructureCases, folds, weights
from .error_curve import fit_error_curve
from .figures import POOL, curve_figures, joined, quality_figures, region_figures, volume_figures
from .results import ImageResult
from .volume_intervals import LEVEL, fit_volume_rule

#: With fewer, nine tenths of them are not enough for a 90 % quantile.
LEAST_PATIENTS = 10

#: The curve needs voxels, of which few patients have many; but the patients must differ.
LEAST_PATIENTS_OF_CURVE = 5

Part = tuple[Any, dict[str, Any], list[str]]
"""Content, figures and the reasons for what is left out."""


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
        Performance in cross-validation for the model card: by condition, and beside other methods.
    left_out : tuple of str
        Sentences: which part is missing, and why.
    """

    record: dict[str, Any]
    content: dict[str, Any] | None
    figures: dict[str, Any]
    left_out: tuple[str, ...]


def fit_all(results: Sequence[ImageResult], data: str, structures: Mapping[int, str]) -> Fitted:
    """Fit every part for which there are enough patients.

    Parameters
    ----------
    results : sequence of ImageResult
        Of validation patients.
    data : str
        Name of the data set, for the record.
    structures : mapping of int to str
        Names by label.
    """
    patients = len({result.patient for result in results})
    record = {
        "data": data,
        "patients": patients,
        "conditions": list(dict.fromkeys(result.condition for result in results)),
        "cases": len(results),
        "folds": min(FOLDS, patients),
    }
    parts: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    left_out: list[str] = []
    for part, least, fit in (
        (DEFAULT_MAP, LEAST_PATIENTS_OF_CURVE, _curve),
        ("volumes", LEAST_PATIENTS, partial(_volumes, structures=structures)),
        ("quality", LEAST_PATIENTS, partial(_quality, structures=structures)),
    ):
        if patients < least:
            left_out.append(f"{part} left out: {patients} validation patients, at least {least} are needed")
            continue
        parts[part], figures[part], missing = fit(results)
        left_out += missing
    figures["regions"] = region_figures(results, _weights(results))
    parts = {name: part for name, part in parts.items() if part}
    content = {"schema": CALIBRATION_SCHEMA, "record": record, **parts} if parts else None
    return Fitted(record, content, figures, tuple(left_out))


def _curve(results: Sequence[ImageResult]) -> Part:
    patient = np.array([result.patient for result in results])
    tables = [result.image for result in results]
    weight = _weights(results)
    for fit, _ in folds(patient):
        if not joined(tables, weight, fit).wrong.any():
            return None, {}, [f"{DEFAULT_MAP} left out: hardly any voxel is wrong"]
    curve = fit_error_curve(joined(tables, weight))
    figures = curve_figures(results, weight)
    near = figures["near"][POOL]
    part = {
        "raw": curve.raw.tolist(),
        "calibrated": curve.calibrated.tolist(),
        "ece_before": near["raw"],
        "ece_after": near["isotonic"],
    }
    return part, figures, []


def _weights(results: Sequence[ImageResult]) -> np.ndarray:
    patient, condition = (np.array([getattr(a, name) for a in results]) for name in ("patient", "condition"))
    return weights(patient, condition)


def _volumes(results: Sequence[ImageResult], structures: Mapping[int, str]) -> Part:
    parts, figures = [], {}
    for label, name in structures.items():
        cases = StructureCases.of(results, label)
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
                "cases": len(cases),
            }
        )
    return parts, figures, []


def _quality(results: Sequence[ImageResult], structures: Mapping[int, str]) -> Part:
    parts, figures, left_out = [], {}, []
    for label, name in structures.items():
        cases = StructureCases.of(results, label)
        found = len(np.unique(cases.masks().patient))
        if found < LEAST_PATIENTS:
            left_out.append(f"quality of {name} left out: segmented in {found} patients only")
            continue
        rule, figures[name] = fit_quality(cases), quality_figures(cases)
        parts.append(_quality_part(label, rule, cases, figures[name]))
    return parts, figures, left_out


def _quality_part(label: int, rule: Any, cases: StructureCases, figures: Mapping[str, Any]) -> dict[str, Any]:
    model = rule.model
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
        "cases": len(cases),
        "coverage": figures[POOL]["coverage"],
        "mean_absolute_error": figures[POOL]["mean_absolute_error"],
        "failure_auroc": figures["ranking"]["predicted"]["failure_auroc"],
    }
