"""Texts of the panel: numbers of a report, and the progress of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from TrustSegModule.review.decisions import ACCEPTED, EDITED, FLAGGED

if TYPE_CHECKING:
    from TrustSegLib.worker import Device, Progressed
    from TrustSegModule.jobs.batch import BatchProgress


UNKNOWN = "–"  # noqa: RUF001
RANGE = "{low}–{high}"  # noqa: RUF001
AXES = (("R", "L"), ("A", "P"), ("S", "I"))

MB_PER_GB = 1000


def number(value: float | None, decimals: int) -> str:
    """Return a number, or a dash for None."""
    return UNKNOWN if value is None else f"{value:.{decimals}f}"


def volume(value_ml: float) -> str:
    """Return a volume that may be smaller than what two decimals show."""
    return number(value_ml, 2 if value_ml >= 1 else 3)


def percent(share: float | None, decimals: int) -> str:
    """Return a share of 0 to 1 in percent, without the sign."""
    return number(None if share is None else 100 * share, decimals)


def map_value(value: float | None, decimals: int, calibrated: bool) -> str:
    """Return a value of the default map: in percent if it is a probability, else as a bare number."""
    return percent(value, decimals) if calibrated else number(value, decimals + 2)


def interval(bounds: Sequence[float] | None, decimals: int) -> str:
    """Return both ends of an interval, or a dash for None."""
    if bounds is None:
        return UNKNOWN
    low, high = (f"{bound:.{decimals}f}" for bound in bounds)
    return RANGE.format(low=low, high=high)


def two_line_interval(bounds: Sequence[float], decimals: int) -> str:
    """Return both ends of an interval, the higher one below: for a narrow column."""
    return RANGE.format(low=f"{bounds[0]:.{decimals}f}", high=f"\n{bounds[1]:.{decimals}f}")


def position(ras_mm: Sequence[float]) -> str:
    """Return a place as Slicer's Data Probe writes it, in whole mm: "R 12, A 34, S 5"."""
    parts = (pair[value < 0] + f" {abs(value):.0f}" for pair, value in zip(AXES, ras_mm, strict=True))
    return ", ".join(parts)


def decision_title(decision: str | None) -> str:
    """Return the title of a decision; empty for None."""
    titles = {ACCEPTED: _("Accepted"), FLAGGED: _("Flagged"), EDITED: _("Edited"), None: ""}
    return titles[decision]


def progress_text(event: Progressed) -> str:
    """Return stage, share and time left, such as "Segmenting: 40 %, about 12 s left"."""
    text = _("{stage}: {percent} %").format(stage=_stage(event.stage), percent=round(100 * event.fraction))
    if event.remaining_seconds is None:
        return text
    return _("{progress}, about {time} left").format(progress=text, time=_time(event.remaining_seconds))


def batch_text(progress: BatchProgress) -> str:
    """Return image, count and time left, such as "Image 2 of 3: b.nii.gz, about 12 s left"."""
    if not progress.count:
        return _("Looking for images...")
    text = _("Image {number} of {count}: {name}")
    text = text.format(number=progress.number, count=progress.count, name=progress.name)
    if progress.remaining_seconds is None:
        return text
    return _("{progress}, about {time} left").format(progress=text, time=_time(progress.remaining_seconds))


def device_title(device: Device) -> str:
    """Return the name of a device and its memory, such as "NVIDIA T4, 12 of 16 GB free"."""
    if device.free_mb is None or device.total_mb is None:
        return device.title
    text = _("{title}, {free:.0f} of {total:.0f} GB free")
    return text.format(title=device.title, free=device.free_mb / MB_PER_GB, total=device.total_mb / MB_PER_GB)


def device_name(device: str) -> str:
    """Return the name of a report's device, as the user reads it."""
    return _("the processor") if device == "cpu" else device


def _stage(name: str) -> str:
    titles = {
        "load": _("Loading the model"),
        "locate": _("Finding the anatomy"),
        "prepare": _("Preparing the image"),
        "predict": _("Segmenting"),
        "restore": _("Back onto the image's grid"),
        "measure": _("Measuring"),
    }
    return titles[name]


def _time(seconds: float) -> str:
    if seconds < 60:
        return _("{seconds} s").format(seconds=max(round(seconds), 1))
    if seconds < 5400:
        return _("{minutes} min").format(minutes=round(seconds / 60))
    return _("{hours} h").format(hours=f"{seconds / 3600:.1f}")
