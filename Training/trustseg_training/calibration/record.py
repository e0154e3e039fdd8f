"""Output of a calibration: into the run, and as a summary in a few lines."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from trustseg_training.corruptions import CLEAN
from trustseg_training.evaluation import read_fit
from trustseg_training.evaluation.temperature_scaling import FILES
from trustseg_training.formatting import MISSING, decimal
from trustseg_training.metrics.neighborhood import MARGIN
from TrustSegLib.contract import DEFAULT_MAP
from TrustSegLib.errors import output_error

from .figures import POOL
from .fitting import Fitted
from .region_review import PLACES

#: Keys of a run's calibration, in addition to those of `evaluation.calibrate`.
CONTENT, FIGURES = "calibration", "figures"


def write_into_run(run: Path, checkpoint: str, fitted: Fitted) -> None:
    """Add the calibration to the file that `evaluation.calibrate` wrote; `export` takes it from there.

    Raises
    ------
    OptionError
        The run has no calibration of these weights.
    OutputError
        The file cannot be written; it stays as it was.
    """
    content = {**(read_fit(run, checkpoint) or {}), CONTENT: fitted.content, FIGURES: fitted.figures}
    path = run / FILES[checkpoint]
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise output_error(path, error, "check the folder") from error


def lines(fitted: Fitted) -> Iterator[str]:
    """Summarize the performance in cross-validation over patients."""
    record, figures = fitted.record, fitted.figures
    yield (
        f"{record['cases']} images of {record['patients']} patients under {len(record['conditions'])} "
        f"conditions, {record['folds']}-fold cross-validation over patients; pool: half of it clean"
    )
    if figures.get(DEFAULT_MAP):
        yield from _curve_lines(figures[DEFAULT_MAP], figures["unseen"])
    for name, found in figures.get("volumes", {}).items():
        yield f"{name}: 90 % volume interval covers {_both(found, 'coverage', '.0%')}"
        yield (
            f"  mean width {_both(found, 'mean_width_ml', '.3f')} ml, without uncertainty "
            f"{_both(found, 'mean_width_without_uncertainty_ml', '.3f')} ml"
        )
    for name, found in figures.get("quality", {}).items():
        yield f"{name}: predicted DSC is off by {_both(found, 'mean_absolute_error', '.3f')}"
        yield f"  a constant by {_both(found, 'mean_absolute_error_of_constant', '.3f')}"
        yield from _bias_line(found, figures["unseen"])
        yield f"  its 90 % interval covers {_both(found, 'coverage', '.0%')}"
        yield f"  {'score':<22}{'failure AUROC':>15}{'Spearman':>10}"
        for score, row in found["ranking"].items():
            yield f"  {score:<22}{decimal(row['failure_auroc']):>15}{decimal(row['spearman']):>10}"
    if figures.get("regions"):
        yield _region_line(figures["regions"])
    reference = (fitted.content or {}).get("input")
    if reference is not None:
        yield f"input check: {reference['cases']} cases, false alarms {reference['false_alarms']:.1%}"
    yield figures["statement"]


def _curve_lines(figures: dict[str, Any], unseen: Collection[str]) -> Iterator[str]:
    for where, title in (("near", f"within {MARGIN} voxels of a structure"), ("image", "in the whole image")):
        yield f"ECE {title}, by curve:"
        names = list(figures[where][POOL])
        yield "  " + f"{'':<16}" + "".join(f"{name:>19}" for name in names)
        for group in figures[where] if where == "near" else (CLEAN, POOL):
            mark = "*" if group in unseen else ""
            yield f"  {group + mark:<16}" + "".join(
                f"{decimal(figures[where][group][name], 4):>19}" for name in names
            )
    if unseen:
        yield "  *: no fit has seen this condition"
    yield f"curve that is used: {figures['choice']['curve']}; {figures['choice']['reason']}"


def _bias_line(figures: dict[str, Any], unseen: Collection[str]) -> Iterator[str]:
    """The condition under which the predicted DSC is furthest from the true one, in the mean."""
    for name, those in (("fitted on", set(figures) - set(unseen) - {POOL, "ranking"}), ("unseen", unseen)):
        bias = {key: figures[key]["predicted_dsc"] - figures[key]["true_dsc"] for key in those}
        if bias:
            worst = max(sorted(bias), key=lambda key: abs(bias[key]))
            yield f"  largest bias under a condition {name}: {bias[worst]:+.3f} ({worst})"


def _region_line(figures: dict[str, Any]) -> str:
    shares = [_percent(figures[f"{place}_thick"]) for place in PLACES]
    return (
        f"regions of clean images: {figures['regions']:.1f} an image; of the errors thicker than a voxel "
        f"they hold {shares[0]}, as many of the most uncertain voxels {shares[1]}, "
        f"as many of the mask's rim {shares[2]}"
    )


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{value:.0%}"


def _both(found: dict[str, Any], name: str, form: str) -> str:
    """Value of the clean images and of the pool."""
    return f"{found[CLEAN][name]:{form}} clean, {found[POOL][name]:{form}} pool"
