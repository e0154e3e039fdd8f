"""`--dicom-seg`: when DICOM results can be written, and what their files are in the report."""

from __future__ import annotations

from collections.abc import Sequence

from TrustSegLib.cases.series_folders import may_hold_dicom_images
from TrustSegLib.cases.targets import Target, check_outside_series
from TrustSegLib.dicom_output import SEGMENTATION_FILE, UNCERTAINTY_FILE, check_dicom_output

DICOM_FILES = {"dicom_segmentation": SEGMENTATION_FILE, "dicom_uncertainty": UNCERTAINTY_FILE}
"""What `--dicom-seg` adds to the files of a report."""


def check_dicom_targets(targets: Sequence[Target]) -> None:
    """Make sure, before the work, that every image is a DICOM series whose folder gets no results.

    Whether the slices of a series make an image is not asked here: one that is damaged, or cannot be read,
    fails by itself.

    Raises
    ------
    OptionError
        highdicom is not installed; an image is no series (a batch of image files has none); or results would
        go into the folder of one of the series or below it.
    """
    images = [target.image for target in targets]
    check_dicom_output(image for image in images if not may_hold_dicom_images(image))
    check_outside_series(targets, "DICOM results")
