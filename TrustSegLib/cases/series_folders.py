"""Folders of DICOM images, found below a folder: a hospital exports one per patient, study and series.

The look is a quick one, at the beginning of a file or two of each folder. Whether the slices make an image is
for the reader to say; a folder that it refuses is a case that fails.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import SimpleITK as sitk

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging.reading import quiet_itk

_MARK, _MARK_AT = b"DICM", 128
_HEAD_BYTES = 1024  # the file's meta information begins behind the mark and is shorter than that
_CLASS = re.compile(rb"\x02\x00\x02\x00UI..([0-9.]+)", re.DOTALL)
"""Media Storage SOP Class UID (0002,0002); this part of a file is always explicit, little endian (PS3.10)."""
_STORAGE = "1.2.840.10008.5.1.4.1.1"
NO_IMAGES = (
    "1.2.840.10008.1.3.10",  # DICOMDIR, the list of the files of a CD
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
"""SOP classes (PS3.6), each with all below it, that are no images of a patient to segment."""


def series_folders(folder: Path) -> list[Path]:
    """List the folders below `folder`, at any depth, that hold DICOM images; by name.

    Hidden folders are left out. Links are followed, but no folder is looked into twice.

    Raises
    ------
    ImageError
        A folder cannot be read.
    """
    found: list[Path] = []
    waiting, seen = _inner_folders(folder)[::-1], {folder.resolve()}
    while waiting:
        current = waiting.pop()
        if (place := current.resolve()) in seen:
            continue
        seen.add(place)
        if holds_dicom_images(current):
            found.append(current)
        waiting += _inner_folders(current)[::-1]
    return found


def holds_dicom_images(folder: Path) -> bool:
    """Whether DICOM images lie directly in `folder`; False where it is a file.

    Raises
    ------
    ImageError
        The folder or a file in it cannot be read.
    """
    if not folder.is_dir():
        return False
    try:
        return _hold_images(folder, files_in(folder))
    except OSError as error:
        raise unreadable(folder, error) from error


def files_in(folder: Path) -> list[Path]:
    """List the files of a folder by name, without hidden ones; `OSError` if it cannot be read."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def is_dicom_image(path: Path) -> bool:
    """Whether a file has the mark of DICOM and is not of another kind; `OSError` if it cannot be read."""
    return (head := _head(path)) is not None and _is_image(head)


def unreadable(folder: Path, error: OSError) -> ImageError:
    """Return the error of a folder that cannot be read."""
    reason = error.strerror or type(error).__name__
    return ImageError(f"{folder}: cannot be read ({reason}); check its permissions")


def _hold_images(folder: Path, files: Sequence[Path]) -> bool:
    marked = False
    for path in files:
        if (head := _head(path)) is not None:
            marked = True
            if _is_image(head):
                return True
    if marked or not files:
        return False
    with quiet_itk():  # Old exports lack the mark; the reader takes them nevertheless.
        return bool(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)))


def _head(path: Path) -> bytes | None:
    """The beginning of a DICOM file; None for any other file."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return head if head[_MARK_AT : _MARK_AT + len(_MARK)] == _MARK else None


def _is_image(head: bytes) -> bool:
    """A file whose class cannot be told may be a damaged slice: it is not passed over in silence."""
    found = _CLASS.search(head)
    uid = found[1].decode("ascii") if found else ""
    return not any(uid == kind or uid.startswith(f"{kind}.") for kind in NO_IMAGES)


def _inner_folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise unreadable(folder, error) from error
