"""Writing the DICOM results: whole and together, or not at all."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from TrustSegLib.contract import (
    DEFAULT_MAP,
    DICOM_MAP_FILE,
    DICOM_REPORT_FILE,
    DICOM_SEGMENTATION_FILE,
    DICOM_STRUCTURES_FILE,
    is_map_calibrated,
)
from TrustSegLib.dicom_output.requirement import require_highdicom
from TrustSegLib.errors import ImageError, OptionError, output_error

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from TrustSegLib.bundle import ModelDescription
    from TrustSegLib.inference import SegmentationResult

SEGMENTATION_FILES = (DICOM_SEGMENTATION_FILE, DICOM_MAP_FILE, DICOM_REPORT_FILE)


def write_dicom(
    result: SegmentationResult,
    description: ModelDescription,
    series: Path,
    folder: Path,
    names: Sequence[str] = SEGMENTATION_FILES,
) -> tuple[Path, ...]:
    """Write DICOM results, which refer to each slice of the source series.

    They have the patient and the study of the source series, and each is a new series of that study.

    Parameters
    ----------
    result : SegmentationResult
        On the grid of the series, with the map `error_probability`.
    description : ModelDescription
        Of the model that made it.
    series : Path
        Folder of the DICOM series that was segmented.
    folder : Path
        Existing folder for the files; files of the same names are replaced.
    names : sequence of str
        Which ones: `segmentation.dcm` (Segmentation), `uncertainty.dcm` (Parametric Map), `report.dcm`
        (structured report, only after `segmentation.dcm`, to which it refers) and `structures.dcm`
        (RT Structure Set).

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    OptionError
        highdicom is not installed, `series` is not a folder with a DICOM series, or the map is missing.
    ImageError
        The series is not on the result's grid, or its headers lack what a result must refer to.
    OutputError
        A file cannot be written; then none of them is.
    """
    require_highdicom()
    if DICOM_MAP_FILE in names and DEFAULT_MAP not in result.maps:
        raise OptionError(f"--dicom-seg needs the map {DEFAULT_MAP}; add it to the maps")
    return _write(_objects(result, description, series, names), folder)


def _objects(
    result: SegmentationResult, description: ModelDescription, series: Path, names: Sequence[str]
) -> Mapping[str, Dataset]:
    from TrustSegLib.dicom_output.sources import slice_headers  # highdicom is optional: this imports pydicom

    try:
        with warnings.catch_warnings():
            # On values of the source that violate the standard, which the user cannot fix here.
            warnings.simplefilter("ignore", UserWarning)
            sources = slice_headers(series, result.labels)
            segmented = replace(description, structures=result.anatomy or description.structures)
            objects: dict[str, Dataset] = {}
            for name in names:
                objects[name] = _object(name, result, segmented, sources, objects)
            return objects
    except (ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ImageError(
            f"{series}: its DICOM headers do not allow a DICOM result ({reason}); leave out --dicom-seg and "
            "--rtstruct"
        ) from error


def _object(
    name: str,
    result: SegmentationResult,
    description: ModelDescription,
    sources: Sequence[Dataset],
    before: Mapping[str, Dataset],
) -> Dataset:
    """Make one object; `before` holds those that it may refer to."""
    from TrustSegLib.dicom_output.dicom_objects import parametric_map, segmentation_object
    from TrustSegLib.dicom_output.structure_set import structure_set
    from TrustSegLib.dicom_output.structured_report import structured_report

    if name == DICOM_SEGMENTATION_FILE:
        return segmentation_object(result.labels, description, result.model, sources)
    if name == DICOM_STRUCTURES_FILE:
        return structure_set(result.labels, description, result.model, result.structures, sources)
    if name == DICOM_REPORT_FILE:
        return structured_report(result, description, before[DICOM_SEGMENTATION_FILE], sources)
    calibrated = is_map_calibrated(result.calibration)
    return parametric_map(result.maps[DEFAULT_MAP], result.model, sources, calibrated)


def _write(objects: Mapping[str, Dataset], folder: Path) -> tuple[Path, ...]:
    try:
        # First in a private folder: a full disk leaves nothing behind.
        with tempfile.TemporaryDirectory(prefix=".trustseg-", dir=folder) as private, ExitStack() as undo:
            for name, image in objects.items():
                _save(image, Path(private) / name)
            for name in objects:
                os.replace(Path(private) / name, folder / name)
                undo.callback((folder / name).unlink, missing_ok=True)
            undo.pop_all()
    except OSError as error:
        what = "the DICOM files cannot be written"
        raise output_error(folder, error, "choose another folder", what) from error
    return tuple(folder / name for name in objects)


def _save(image: Dataset, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        image.save_as(path, enforce_file_format=True)
