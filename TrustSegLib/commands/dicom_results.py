"""`--dicom-seg`: when DICOM results can be written, and what their files are in the report."""

from __future__ import annotations

import os
from collections.abc import Sequence

from TrustSegLib.cases.series_folders import holds_dicom_images
from TrustSegLib.cases.targets import Target
from TrustSegLib.dicom_output import SEGMENTATION_FILE, UNCERTAINTY_FILE, check_dicom_output
from TrustSegLib.errors import OptionError

DICOM_FILES = {"dicom_segmentation": SEGMENTATION_FILE, "dicom_uncertainty": UNCERTAINTY_FILE}
"""What `--dicom-seg` adds to the files of a report."""


def check_dicom_targets(targets: Sequence[Target]) -> None:
    """Make sure, before the work, that every image is a DICOM series whose folder gets no results.

    Whether the slices of a series make an image is not asked here: one that is damaged fails by itself.

    Raises
    ------
    OptionError
        highdicom is not installed; an image is no series (a batch of image files has none); or results would
        go into the folder of one of the series or below it.
    """
    images = [target.image for target in targets]
    check_dicom_output(image for image in images if not holds_dicom_images(image))
    series = {_identity(image): image for image in images}
    for target in targets:
        folder = target.folder.resolve()
        around = [path for path in (folder, *folder.parents) if path.exists()]
        if found := [series[_identity(path)] for path in around if _identity(path) in series]:
            raise OptionError(
                f"{target.folder}: lies in the folder of the series {found[0]}, which DICOM results would "
                "be mixed with; choose another output folder"
            )


def _identity(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return what is equal for two paths of one folder."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
