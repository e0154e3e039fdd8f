"""The table of calibration and of how well the error probability finds wrong voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import numbers
from .named_conditions import NamedCondition
from .readings import Summary

CALIBRATION = (("ece", "ECE"), ("brier", "Brier"), ("nll", "NLL"))
DETECTION = (("auroc", "AUROC"), ("average_precision", "AUPR"), ("overlap", "Overlap"))
HEADS = tuple(head for _, head in (*CALIBRATION, *DETECTION))

Cells = list[tuple[str, str]]


def voxel_table(
    summary: Summary, conditions: Sequence[NamedCondition]
) -> list[tuple[NamedCondition, list[tuple[str, Cells]]]]:
    """(value, interval) of every measure, for each model under each condition."""
    return [
        (each, [(model, _cells(rows.get(each.key, {}))) for model, rows in summary["conditions"].items()])
        for each in conditions
    ]


def _cells(found: Mapping[str, Any]) -> Cells:
    calibration = found.get("calibration", {})
    detection = found.get("detection", {}).get("error_probability", {})
    means = [calibration.get(name, {}) for name, _ in CALIBRATION]
    means += [detection.get(name, {}) for name, _ in DETECTION]
    return [(numbers.share(mean.get("value")), numbers.interval(mean)) for mean in means]
