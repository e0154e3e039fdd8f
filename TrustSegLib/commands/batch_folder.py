"""What is in a folder that is given as an image: one DICOM series, or a batch of images.

A folder is a batch when image files lie directly in it and no DICOM files. Its images are the files with one
of `IMAGE_EXTENSIONS`, in the order of their names. Hidden files, folders inside it, and files that an earlier
run has written there are left out.
"""

from __future__ import annotations

import json
from pathlib import Path

from TrustSegLib.errors import ImageError
from TrustSegLib.report.files import REPORT_FILE

IMAGE_EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_DICOM_MARK, _DICOM_MARK_AT = b"DICM", 128


def images_of_batch(folder: Path) -> list[Path]:
    """List the images of a batch by name; none where `folder` is a file or a folder of DICOM files.

    Raises
    ------
    ImageError
        The folder cannot be read.
    """
    if not folder.is_dir():
        return []
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        images = [path for path in files if path.name.lower().endswith(IMAGE_EXTENSIONS)]
        if not images or any(_is_dicom(path) for path in files if path not in images):
            return []
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ImageError(f"{folder}: cannot be read ({reason}); check its permissions") from error
    ours = written_before(folder)
    return [path for path in images if path.name not in ours]


def written_before(folder: Path) -> set[str]:
    """Names that the report in `folder` lists as its files; none where there is no report of ours."""
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        if not report["schema"].startswith("trustseg-report/"):
            return set()
        return {*report["files"].values(), *(entry["file"] for entry in report["maps"])}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()  # No report, or one of another program: then nothing here is known to be ours.


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(_DICOM_MARK_AT + len(_DICOM_MARK))[_DICOM_MARK_AT:] == _DICOM_MARK
