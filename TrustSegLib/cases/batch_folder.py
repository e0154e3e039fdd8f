"""What is in a folder that is given as an image: one DICOM series, or a batch of images.

1. DICOM images directly in it: it is one series, and no batch.
2. Else image files directly in it (those with one of `IMAGE_EXTENSIONS`): a batch of these, and of no others.
3. Else folders inside it, at any depth, that hold DICOM images: a batch of these series.

A batch is in the order of the names. Hidden files and folders, and files that an earlier run has written
there, are left out.
"""

from __future__ import annotations

import json
from pathlib import Path

from TrustSegLib.cases.series_folders import (
    files_in,
    holds_dicom_images,
    is_dicom_image,
    series_folders,
    unreadable,
)
from TrustSegLib.imaging.reading import ITK_READERS
from TrustSegLib.report.files import REPORT_FILE

IMAGE_EXTENSIONS = tuple(ITK_READERS)


def images_of_batch(folder: Path) -> list[Path]:
    """List the images of a batch by name: files, or folders of DICOM series.

    None where `folder` is a file or a folder of DICOM files, or where there are no images.

    Raises
    ------
    ImageError
        The folder itself, or a file directly in it, cannot be read.
    """
    if not folder.is_dir():
        return []
    try:
        ours = written_before(folder)
        files = [path for path in files_in(folder) if path.name not in ours]
        images = [path for path in files if path.name.lower().endswith(IMAGE_EXTENSIONS)]
        if images:
            return [] if any(is_dicom_image(path) for path in files if path not in images) else images
    except OSError as error:
        raise unreadable(folder, error) from error
    return [] if holds_dicom_images(folder) else series_folders(folder)


def written_before(folder: Path) -> set[str]:
    """Names that the report in `folder` lists as its files; none where there is no report of ours."""
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        if not report["schema"].startswith("trustseg-report/"):
            return set()
        return {*report["files"].values(), *(entry["file"] for entry in report["maps"])}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()  # No report, or one of another program: then nothing here is known to be ours.
