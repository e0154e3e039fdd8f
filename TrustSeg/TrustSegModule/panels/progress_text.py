"""What the panel says of a running segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from TrustSegLib.worker import Device, Progressed
    from TrustSegModule.batch import BatchProgress

MB_PER_GB = 1000


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
    """Return a device of a report for people: "cpu" is no word of theirs."""
    return _("the processor") if device == "cpu" else device


def _stage(name: str) -> str:
    titles = {
        "load": _("Loading the model"),
        "prepare": _("Preparing the image"),
        "predict": _("Segmenting"),
        "restore": _("Back onto the image's grid"),
        "measure": _("Measuring"),
    }
    return titles[name]


def _time(seconds: float) -> str:
    if seconds < 60:
        return _("{seconds} s").format(seconds=max(round(seconds), 1))
    return _("{minutes} min").format(minutes=round(seconds / 60))
