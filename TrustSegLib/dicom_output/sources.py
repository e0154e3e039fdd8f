"""The headers of the source series, one for each slice of the result.

highdicom requires fields that files from a hospital sometimes lack, and equal values in all slices that they
sometimes round differently: both are fixed here, in memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from TrustSegLib.dicom_output.requirement import series_files
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume

_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Required by the standard, but may be empty (type 2); anonymized files often lack them."""
_MUST_BE_THERE = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_SEXES = ("M", "F", "O", "")
_SAME_AXES = 2e-3  # in cosines and mm: the image reader allows slices to differ by half of this
_SAME_PLACE = 0.5  # of the smallest voxel edge


def slice_headers(series: Path, grid: Volume) -> list[Dataset]:
    """Read the header of each slice of a grid, matched by position.

    Parameters
    ----------
    series : Path
        Folder of the DICOM series from which the grid was read.
    grid : Volume
        (C, D, H, W), the image's own grid.

    Returns
    -------
    list of Dataset
        D headers without pixels, in the order of the grid's slices.

    Raises
    ------
    OptionError
        The folder holds no DICOM series.
    ImageError
        The series is not on the grid, or lacks an identifier that a result must refer to.
    """
    headers = [pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in series_files(series)]
    headers = _in_order(series, headers, grid)
    for header in headers:
        _check_identifiers(series, header)
        _complete(header)
        _use_axes_of(header, headers[0], slice_distance=grid.spacing[2])
    return headers


def _in_order(series: Path, headers: list[Dataset], grid: Volume) -> list[Dataset]:
    """Sort the slices along the grid's third axis, and check that they are on the grid."""
    axes = np.reshape(grid.direction, (3, 3))
    if len(headers) != grid.shape[0] or not all(_same_plane(header, grid, axes) for header in headers):
        raise _other_grid(series)
    headers = sorted(headers, key=lambda header: float(_position(header) @ axes[:, 2]))
    corners = grid.index_to_lps @ np.array([[0, 0, index, 1] for index in (0, grid.shape[0] - 1)]).T
    # The ends only: between them the image reader allows slightly uneven slices.
    ends = np.column_stack([_position(headers[0]), _position(headers[-1])])
    if np.linalg.norm(corners[:3] - ends, axis=0).max() > _SAME_PLACE * min(grid.spacing):
        raise _other_grid(series)
    return headers


def _same_plane(header: Dataset, grid: Volume, axes: np.ndarray) -> bool:
    rows_and_columns = np.reshape([float(cosine) for cosine in header.ImageOrientationPatient], (2, 3)).T
    between_rows, between_columns = (float(length) for length in header.PixelSpacing)
    return (
        int(header.get("NumberOfFrames") or 1) == 1
        and (header.Rows, header.Columns) == grid.shape[1:]
        and np.allclose(rows_and_columns, axes[:, :2], atol=_SAME_AXES)
        and np.allclose((between_columns, between_rows), grid.spacing[:2], atol=_SAME_AXES)
    )


def _position(header: Dataset) -> np.ndarray:
    """Center of the first pixel, LPS mm."""
    return np.array([float(number) for number in header.ImagePositionPatient])


def _other_grid(series: Path) -> ImageError:
    return ImageError(
        f"{series}: its slices do not lie where the result's slices lie; segment this very series again"
    )


def _check_identifiers(series: Path, header: Dataset) -> None:
    missing = [name for name in _MUST_BE_THERE if not header.get(name)]
    if missing:
        raise ImageError(
            f"{series}: its DICOM files have no {missing[0]}, which a DICOM result must refer to; export the "
            "series again or leave out --dicom-seg"
        )


def _complete(header: Dataset) -> None:
    for name in _MAY_BE_EMPTY:
        if name not in header:
            setattr(header, name, "")
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""  # empty means "unknown"


def _use_axes_of(header: Dataset, first: Dataset, slice_distance: float) -> None:
    """Use the axes of the first slice, since slices may be rounded differently, and add the slice distance.

    Readers need the distance to rebuild the volume, since frames without a segment are not stored.
    """
    header.ImageOrientationPatient = first.ImageOrientationPatient
    header.PixelSpacing = first.PixelSpacing
    header.SpacingBetweenSlices = DSfloat(slice_distance, auto_format=True)
    if not header.get("SliceThickness"):
        header.SliceThickness = header.SpacingBetweenSlices
