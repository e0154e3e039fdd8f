"""A calibration's record: into the run, and in a few lines for the person who fitted it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trustseg_training.evaluation import read_fit
from trustseg_training.evaluation.temperature_scaling import FILES
from TrustSegLib.errors import OutputError

from .fitting import Fitted

#: Keys of a run's calibration, beside those of `judging.calibrate`.
CONTENT, FIGURES = "calibration", "figures"


def write_into_run(run: Path, checkpoint: str, fitted: Fitted) -> None:
    """Add to the file that `judging.calibrate` wrote; a bundle's `calibration.json` is made of it.

    Raises
    ------
    OptionError
        The run has no calibration of these weights.
    OutputError
        It cannot be written; the file stays as it was.
    """
    content = {**(read_fit(run, checkpoint) or {}), CONTENT: fitted.content, FIGURES: fitted.figures}
    path = run / FILES[checkpoint]
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); check the folder") from error


def lines(fitted: Fitted) -> Iterator[str]:
    """Say what was found, in cross-validation over patients."""
    record, figures = fitted.record, fitted.figures
    yield (
        f"{record['cases']} images of {record['patients']} patients under {len(record['conditions'])} "
        f"conditions, {record['folds']}-fold cross-validation over patients; pool: half of it clean"
    )
    if figures.get("error_probability"):
        yield from _curve_lines(figures["error_probability"])
    for name, found in figures.get("volumes", {}).items():
        yield f"{name}: 90 % volume interval covers {_both(found, 'coverage', '.0%')}"
        yield (
            f"  mean width {_both(found, 'mean_width_ml', '.3f')} ml, without uncertainty "
            f"{_both(found, 'mean_width_without_uncertainty_ml', '.3f')} ml"
        )
    for name, found in figures.get("quality", {}).items():
        yield f"{name}: predicted DSC is off by {_both(found, 'mean_absolute_error', '.3f')}"
        yield f"  its 90 % interval covers {_both(found, 'coverage', '.0%')}"
        yield f"  {'score':<22}{'failure AUROC':>15}{'Spearman':>10}"
        for score, row in found["ranking"].items():
            yield f"  {score:<22}{_number(row['failure_auroc']):>15}{_number(row['spearman']):>10}"
    if figures.get("regions"):
        yield _region_line(figures["regions"])
    reference = (fitted.content or {}).get("input")
    if reference is not None:
        yield f"input check: {reference['cases']} cases, false alarms {reference['false_alarms']:.1%}"


def _curve_lines(figures: dict[str, Any]) -> Iterator[str]:
    for where, title in (("near", "within 3 voxels of a structure"), ("image", "in the whole image")):
        yield f"ECE {title}, by curve:"
        names = list(figures[where]["pool"])
        yield "  " + f"{'':<16}" + "".join(f"{name:>19}" for name in names)
        for group in figures[where] if where == "near" else ("clean", "pool"):
            yield f"  {group:<16}" + "".join(
                f"{_number(figures[where][group][name], 4):>19}" for name in names
            )


def _region_line(figures: dict[str, Any]) -> str:
    pool = figures["pool"]
    shares = [_percent(pool[f"{place}_thick"]) for place in ("in_regions", "most_uncertain", "in_rim")]
    return (
        f"regions: {pool['regions']:.1f} an image; of the errors thicker than a voxel they hold {shares[0]}, "
        f"as many of the most uncertain voxels {shares[1]}, as many of the mask's rim {shares[2]}"
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _both(found: dict[str, Any], name: str, form: str) -> str:
    """Clean and pool."""
    return f"{found['clean'][name]:{form}} clean, {found['pool'][name]:{form}} pool"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
