"""Images in a folder: one DICOM series, or a batch of images or series."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import SimpleITK as sitk

from TrustSegLib.contract import REPORT_FILE, REPORT_SCHEMA, schema_prefix
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging.dicom_files import dicom_head, is_image_head
from TrustSegLib.imaging.image_files import ITK_READERS, quiet_itk

IMAGE_EXTENSIONS = tuple(ITK_READERS)


def images_of_batch(folder: Path) -> list[Path]:
    """List the images of a batch by name: files, or folders of DICOM series.

    Empty where `folder` is a file or a folder of DICOM files, or where there are no images.

    Raises
    ------
    ImageError
        The folder itself, or a file directly in it, cannot be read.
    """
    if not folder.is_dir():
        return []
    try:
        results = written_before(folder)
        files = [path for path in files_in(folder) if path.name not in results]
        images = [path for path in files if path.name.lower().endswith(IMAGE_EXTENSIONS)]
        if images:
            return [] if any(is_dicom_image(path) for path in files if path not in images) else images
    except OSError as error:
        raise unreadable(folder, error) from error
    return [] if holds_dicom_images(folder) else series_folders(folder)


def written_before(folder: Path) -> set[str]:
    """Names of the files that the report in `folder` lists; empty without a report of TrustSeg."""
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        if not report["schema"].startswith(schema_prefix(REPORT_SCHEMA)):
            return set()
        return {*report["files"].values(), *(entry["file"] for entry in report["maps"])}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()  # No report, or that of another program.


def series_folders(folder: Path) -> list[Path]:
    """List the folders below `folder`, at any depth, that hold DICOM images; by name.

    Hidden folders are left out. Links are followed, but no folder is searched twice. A folder that cannot be
    read, or holds a file that cannot, is listed as well: as a case that fails.

    Raises
    ------
    ImageError
        `folder` itself cannot be read.
    """
    try:
        waiting = _inner_folders(folder)[::-1]
    except OSError as error:
        raise unreadable(folder, error) from error
    found, seen = [], {folder.resolve()}
    while waiting:
        current = waiting.pop()
        if (place := current.resolve()) in seen:
            continue
        seen.add(place)
        is_case, inner = _look_into(current)
        found += [current] if is_case else []
        waiting += inner[::-1]
    return found


def holds_dicom_images(folder: Path) -> bool:
    """Whether DICOM images lie directly in `folder`; False where it is a file.

    Raises
    ------
    ImageError
        The folder or a file in it cannot be read.
    """
    try:
        return folder.is_dir() and _hold_images(folder, files_in(folder))
    except OSError as error:
        raise unreadable(folder, error) from error


def may_hold_dicom_images(folder: Path) -> bool:
    """As `holds_dicom_images`, but True for an unreadable folder, so that the image reader reports it."""
    try:
        return holds_dicom_images(folder)
    except ImageError:
        return True


def may_be_folder(path: Path) -> bool:
    """Whether a path is a folder; True for an unreadable one, such as a link into a private folder."""
    try:
        return path.is_dir()
    except OSError:
        return True


def files_in(folder: Path, besides: Collection[Path] = ()) -> list[Path]:
    """List the files of a folder by name, without hidden ones; `OSError` if it cannot be read.

    The paths in `besides` are skipped.
    """
    paths = [path for path in folder.iterdir() if not path.name.startswith(".") and path not in besides]
    return sorted(path for path in paths if path.is_file())


def is_dicom_image(path: Path) -> bool:
    """Whether a file has the mark of DICOM and may be an image; `OSError` if it cannot be read."""
    return (head := dicom_head(path)) is not None and is_image_head(head)


def unreadable(folder: Path, error: OSError) -> ImageError:
    """Return the error of a folder that cannot be read."""
    reason = error.strerror or type(error).__name__
    return ImageError(f"{folder}: cannot be read ({reason}); check its permissions")


def _hold_images(folder: Path, files: Sequence[Path]) -> bool:
    unmarked = set()
    for path in files:
        if (head := dicom_head(path)) is None:
            unmarked.add(path.name)
        elif is_image_head(head):
            return True
    # Old exports lack the mark; the reader accepts them, also with a report or a DICOMDIR beside them.
    return bool(unmarked) and not unmarked.isdisjoint(_names_in_series(folder))


def _names_in_series(folder: Path) -> set[str]:
    """Names of all files of a folder that GDCM assigns to a series."""
    reader = sitk.ImageSeriesReader
    with quiet_itk():
        series = [
            reader.GetGDCMSeriesFileNames(str(folder), each) for each in reader.GetGDCMSeriesIDs(str(folder))
        ]
    return {Path(name).name for names in series for name in names}


def _look_into(folder: Path) -> tuple[bool, list[Path]]:
    """Return whether a folder is a case, and the folders inside it."""
    inner: list[Path] = []
    try:
        inner = _inner_folders(folder)
        # Paths that may be folders are cases of their own.
        return _hold_images(folder, files_in(folder, besides=inner)), inner
    except OSError:
        return True, inner  # A case that fails: the image reader reports the reason.


def _inner_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and may_be_folder(path))
