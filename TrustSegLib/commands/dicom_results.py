"""`--dicom-seg`: when DICOM results can be written, and what their files are in the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from TrustSegLib.commands.outputs import Target
from TrustSegLib.dicom_output import SEGMENTATION_FILE, UNCERTAINTY_FILE, check_dicom_output
from TrustSegLib.errors import OptionError

DICOM_FILES = {"dicom_segmentation": SEGMENTATION_FILE, "dicom_uncertainty": UNCERTAINTY_FILE}
"""What `--dicom-seg` adds to the files of a report."""


def check_dicom_targets(targets: Sequence[Target]) -> None:
    """Make sure, before the work, that every image is a DICOM series whose folder gets no results.

    Raises
    ------
    OptionError
        highdicom is not installed; an image is no series (a batch of image files has none); or results would
        go into the folder of one of the series or below it.
    """
    images = [target.image for target in targets]
    check_dicom_output(images)
    for target in targets:
        for series in images:
            if _lies_in(target.folder, series):
                raise OptionError(
                    f"{target.folder}: lies in the folder of the series {series}, which DICOM results would "
                    "be mixed with; choose another output folder"
                )


def _lies_in(folder: Path, series: Path) -> bool:
    folder = folder.resolve()
    return any(path.exists() and path.samefile(series) for path in (folder, *folder.parents))
