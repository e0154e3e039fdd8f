"""How far the numbers of a report can be relied on, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slicer.i18n import tr as _

from TrustSegModule.panels.numbers import interval, percent


def caution(report: dict[str, Any]) -> str:
    """Return what a reader must know before the numbers: flags, warnings, a missing calibration."""
    check = _("Check {name}: {flag}")
    flags = [check.format(name=row["name"], flag=row["flag"]) for row in report["structures"] if row["flag"]]
    sentences = [*flags, *report["case"]["warnings"]]
    if report["calibration"] is None:
        sentences.append(_("Not calibrated: the percentages are the model's own and were not checked."))
    return "\n".join(sentences)


def calibration_record(calibration: dict[str, Any] | None) -> str:
    """Return on how many patients the numbers were checked, and with what outcome."""
    if calibration is None:
        return ""
    record = calibration["record"]
    text = _("Calibrated on {patients} patients ({cases} images).")
    sentences = [text.format(patients=record["patients"], cases=record["cases"])]
    sentences += _volumes(calibration.get("volumes") or [])
    sentences += _quality(calibration.get("quality") or [])
    sentences += _error(calibration.get("error_probability"))
    return " ".join(sentences)


def level_percent(calibration: dict[str, Any] | None) -> str:
    """Return the level of the volume intervals in percent; 90 where there are none."""
    volumes = (calibration or {}).get("volumes") or [{"level": 0.9}]
    return percent(volumes[0]["level"], 0)


def _volumes(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return [_("Volumes: not calibrated.")]
    text = _("{level} % intervals held the true volume in {share} % of cases.")
    level = percent(rows[0]["level"], 0)
    return [text.format(level=level, share=_range([row["coverage"] for row in rows]))]


def _quality(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return [_("Expected DSC: not calibrated.")]
    text = _("Expected DSC was off by {error} on average; its interval held in {share} % of cases.")
    error = sum(row["mean_absolute_error"] for row in rows) / len(rows)
    return [text.format(error=f"{error:.2f}", share=_range([row["coverage"] for row in rows]))]


def _error(part: dict[str, Any] | None) -> list[str]:
    if part is None:
        return [_("Error probability: not calibrated.")]
    text = _("Error probability was off by {error} % (ECE).")
    return [text.format(error=percent(part["ece_after"], 1))]


def _range(shares: Sequence[float]) -> str:
    """Return one percentage, or the smallest and the largest."""
    low, high = percent(min(shares), 0), percent(max(shares), 0)
    return low if low == high else interval((100 * min(shares), 100 * max(shares)), 0)
