"""Which files of a folder are DICOM images, told by the SOP class that each declares."""

from __future__ import annotations

import re
from pathlib import Path

import SimpleITK as sitk

_MARK, _MARK_AT = b"DICM", 128
_HEAD_BYTES = 1024  # enough for the meta information of a file, which follows the mark
_CLASS = re.compile(rb"\x02\x00\x02\x00UI..([0-9.]+)", re.DOTALL)
"""Media Storage SOP Class UID (0002,0002); this part of a file is always explicit, little endian (PS3.10)."""
_SYNTAX = re.compile(rb"\x02\x00\x10\x00UI..([0-9.]+)", re.DOTALL)
"""Transfer Syntax UID (0002,0010)."""
_UNCOMPRESSED = (b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2")
_STORAGE = "1.2.840.10008.5.1.4.1.1"
OTHER_OBJECTS = (
    "1.2.840.10008.1.3.10",  # DICOMDIR, the list of the files of a CD, which has other names too
    f"{_STORAGE}.4.2",  # spectroscopy
    f"{_STORAGE}.9",  # waveforms
    f"{_STORAGE}.11",  # presentation states
    f"{_STORAGE}.30",  # parametric maps, as `--dicom-seg` writes one
    f"{_STORAGE}.66",  # raw data, registrations, segmentations
    f"{_STORAGE}.67",  # real world values
    f"{_STORAGE}.68",  # surfaces
    f"{_STORAGE}.88",  # structured reports
    f"{_STORAGE}.104",  # documents
    f"{_STORAGE}.200",  # protocols of the scanner
    f"{_STORAGE}.481",  # radiotherapy: contours, doses, plans
    "1.3.12.2.1107.5.9.1",  # Siemens' own: spectra, reports and raw data
)
"""SOP classes (PS3.6), each with all below it, of objects other than images."""


def image_series(folder: Path) -> list[tuple[str, ...]]:
    """List the files of each series of images directly in a folder, in the order of their positions.

    Segmentations, doses and lists of files beside the slices are left out.
    """
    reader = sitk.ImageSeriesReader
    series = []
    for identifier in reader.GetGDCMSeriesIDs(str(folder)):
        names = reader.GetGDCMSeriesFileNames(str(folder), identifier)
        if images := tuple(name for name in names if is_image(Path(name))):
            series.append(images)
    return series


def is_image(path: Path) -> bool:
    """Whether a file that is DICOM, with or without the mark, may be an image; `OSError` if unreadable."""
    head = dicom_head(path)
    return head is None or is_image_head(head)


def dicom_head(path: Path) -> bytes | None:
    """Return the beginning of a file with the mark of DICOM; None for any other file."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return head if head[_MARK_AT : _MARK_AT + len(_MARK)] == _MARK else None


def is_image_head(head: bytes) -> bool:
    """Whether a file may be an image: one without a class may be a damaged slice, and is not skipped."""
    uid = declared_class(head)
    return not any(uid == kind or uid.startswith(f"{kind}.") for kind in OTHER_OBJECTS)


def declared_class(head: bytes) -> str:
    """SOP class that a file declares; empty where there is none."""
    found = _CLASS.search(head)
    return found[1].decode("ascii") if found else ""


def is_uncompressed(path: Path) -> bool:
    """Whether the pixels of a DICOM file are not compressed, as in all files without the mark."""
    head = dicom_head(path)
    found = None if head is None else _SYNTAX.search(head)
    return found is None or found[1] in _UNCOMPRESSED
