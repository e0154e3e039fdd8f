"""All parts of a calibration, from a model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .answers import ImageAnswer
from .case_quality import fit_quality
from .cases import FAIL_BELOW, FOLDS, StructureCases, folds, weights
from .error_curve import fit_error_curve
from .figures import curve_figures, joined, quality_figures, region_figures, volume_figures
from .volume_intervals import LEVEL, fit_volume_rule

SCHEMA = "trustseg-calibration/1"

#: With fewer, no nine tenths of them are enough for a quantile of 90 %.
LEAST_PATIENTS = 10

#: The curve is of voxels, of which a few patients have many; but they have to differ.
LEAST_PATIENTS_OF_CURVE = 5


@dataclass(frozen=True)
class Fitted:
    """What was fitted.

    Attributes
    ----------
    record : dict
        What it was fitted on.
    content : dict or None
        Of a bundle's `calibration.json`; None if no part could be fitted.
    figures : dict
        More of how it did in cross-validation, for the model card: by condition, and beside other ways.
    left_out : tuple of str
        Sentences: which part is missing, and why.
    """

    record: dict[str, Any]
    content: dict[str, Any] | None
    figures: dict[str, Any]
    left_out: tuple[str, ...]


def fit_all(answers: Sequence[ImageAnswer], data: str, structures: Mapping[int, str]) -> Fitted:
    """Fit every part that there are enough patients for.

    Parameters
    ----------
    answers : sequence of ImageAnswer
        Of validation patients.
    data : str
        Name of the data set, for the record.
    structures : mapping of int to str
        Names by label.
    """
    patients = len({answer.patient for answer in answers})
    record = {
        "data": data,
        "patients": patients,
        "conditions": list(dict.fromkeys(answer.condition for answer in answers)),
        "cases": len(answers),
        "folds": min(FOLDS, patients),
    }
    parts: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    left_out: list[str] = []
    for part, least, fit in (
        ("error_probability", LEAST_PATIENTS_OF_CURVE, _curve),
        ("volumes", LEAST_PATIENTS, partial(_volumes, structures=structures)),
        ("quality", LEAST_PATIENTS, partial(_quality, structures=structures)),
    ):
        if patients < least:
            left_out.append(f"{part} left out: {patients} validation patients, at least {least} are needed")
            continue
        parts[part], figures[part], missing = fit(answers)
        left_out += missing
    figures["regions"] = region_figures(answers, _weights(answers))
    parts = {name: part for name, part in parts.items() if part}
    content = {"schema": SCHEMA, "record": record, **parts} if parts else None
    return Fitted(record, content, figures, tuple(left_out))


Part = tuple[Any, dict[str, Any], list[str]]


def _curve(answers: Sequence[ImageAnswer]) -> Part:
    patient = np.array([answer.patient for answer in answers])
    tables = [answer.image for answer in answers]
    weight = _weights(answers)
    for fit, _ in folds(patient):
        if not joined(tables, weight, fit).wrong.any():
            return None, {}, ["error_probability left out: hardly any voxel is wrong"]
    curve = fit_error_curve(joined(tables, weight))
    figures = curve_figures(answers, weight)
    near = figures["near"]["pool"]
    part = {
        "raw": curve.raw.tolist(),
        "calibrated": curve.calibrated.tolist(),
        "ece_before": near["raw"],
        "ece_after": near["isotonic"],
    }
    return part, figures, []


def _weights(answers: Sequence[ImageAnswer]) -> np.ndarray:
    patient, condition = (np.array([getattr(a, name) for a in answers]) for name in ("patient", "condition"))
    return weights(patient, condition)


def _volumes(answers: Sequence[ImageAnswer], structures: Mapping[int, str]) -> Part:
    parts, figures = [], {}
    for label, name in structures.items():
        cases = StructureCases.of(answers, label)
        rule, figures[name] = fit_volume_rule(cases), volume_figures(cases)
        pool = figures[name]["pool"]
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


def _quality(answers: Sequence[ImageAnswer], structures: Mapping[int, str]) -> Part:
    parts, figures, left_out = [], {}, []
    for label, name in structures.items():
        cases = StructureCases.of(answers, label)
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
        "fail_below": FAIL_BELOW,
        "cases": len(cases),
        "coverage": figures["pool"]["coverage"],
        "mean_absolute_error": figures["pool"]["mean_absolute_error"],
        "failure_auroc": figures["ranking"]["predicted"]["failure_auroc"],
    }
