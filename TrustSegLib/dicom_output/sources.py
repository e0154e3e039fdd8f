"""The headers of the source series, one for each slice of the result.

highdicom requires fields that files from a hospital sometimes lack, and equal values in all slices that they
sometimes round differently, and it copies what is not valid. All of that is fixed here, in memory. What says
to whom and to what a result belongs is never fixed: where it is not valid, there is no result.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import DSfloat, validate_value

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
_SHARED = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_IDENTIFIERS = (*_SHARED, "SOPClassUID", "SOPInstanceUID")
_PATIENT = ("PatientID", "PatientName")
_GEOMETRY = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
)
"""Numbers, often of more characters than DICOM allows; highdicom writes them anew."""
_EXPORT_AGAIN = "export the series again or leave out --dicom-seg and --rtstruct"
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
        The series is not on the grid, or an identifier that a result must refer to is missing or not valid.
    """
    headers = [pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in series_files(series)]
    headers = _in_order(series, headers, grid)
    _check_identifiers(series, headers)
    # highdicom copies patient, study and equipment from the first.
    _check_patient(series, headers[0])
    _leave_out_invalid(headers[0])
    for header in headers:
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


def _check_identifiers(series: Path, headers: list[Dataset]) -> None:
    """Check that results can refer to each slice, and belong to one study and one frame of reference."""
    for name in _IDENTIFIERS:
        values = [UID(str(header.get(name) or "")) for header in headers]
        if not all(values):
            raise _invalid(series, f"its DICOM files have no {name}, which a DICOM result must refer to")
        if wrong := [value for value in values if not value.is_valid]:
            raise _invalid(series, f"the {name} {wrong[0][:70]!a} of its DICOM files is not valid")
        if name in _SHARED and len(set(values)) > 1:
            raise _invalid(series, f"its DICOM files have different values of {name}")
    if len({header.SOPInstanceUID for header in headers}) < len(headers):
        raise _invalid(series, "several of its DICOM files have the same SOPInstanceUID")


def _invalid(series: Path, wrong: str) -> ImageError:
    return ImageError(f"{series}: {wrong}; {_EXPORT_AGAIN}")


def _check_patient(series: Path, header: Dataset) -> None:
    """Refuse a patient that a result cannot name as the series does."""
    for name in _PATIENT:
        if name in header and not _is_valid(header, header[name].tag):
            raise _invalid(series, f"the {name} of its DICOM files is not valid")


def _leave_out_invalid(header: Dataset) -> None:
    """Remove the values that the standard does not allow, such as descriptions that are too long."""
    kept = {pydicom.datadict.tag_for_keyword(name) for name in _GEOMETRY}
    for tag in [tag for tag in _tags(header) if tag not in kept and not _is_valid(header, tag)]:
        del header[tag]


def _tags(header: Dataset) -> tuple[BaseTag, ...]:
    return tuple(header.keys())  # an iteration over the header itself would convert its values


def _is_valid(header: Dataset, tag: BaseTag) -> bool:
    """Whether the values of an attribute, and of all inside it, are as PS3.5 6.2 says."""
    try:
        element = header[tag]
        values = element.value if element.VM > 1 or element.VR == "SQ" else [element.value]
        if element.VR == "SQ":
            return all(_is_valid(item, inner) for item in values for inner in _tags(item))
        for value in values:
            text = getattr(value, "original_string", value)
            validate_value(element.VR, str(text) if element.VR in ("PN", "DS", "IS") else text, RAISE)
    except (ValueError, TypeError, OverflowError):  # of pydicom, for values that it cannot convert
        return False
    return True


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
