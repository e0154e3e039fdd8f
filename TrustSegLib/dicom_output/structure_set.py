"""The mask as an RT Structure Set, the form in which planning systems take contours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
from highdicom import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from TrustSegLib.bundle import ModelDescription, Structure
from TrustSegLib.contract import INTENDED_USE
from TrustSegLib.dicom_output.contours import outlines
from TrustSegLib.dicom_output.dicom_objects import (
    long_string,
    model_name,
    series_of_result,
    structure_code,
)
from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty import StructureRow

NOTE = f"{INTENDED_USE.capitalize()}; automatic, not reviewed by a person"
_LABEL = "TRUSTSEG"
_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"  # detached study management, as PS3.3 C.8.8.5 shows it
_LONGEST_TEXT = 1024  # characters of the DICOM type ST


def structure_set(
    labels: Volume,
    description: ModelDescription,
    model: Mapping[str, str],
    rows: Sequence[StructureRow],
    sources: Sequence[Dataset],
) -> Dataset:
    """Make the DICOM object of the contours: one region of interest for each structure of the model.

    Parameters
    ----------
    labels : Volume
        (1, D, H, W) uint8, 0 is background.
    description : ModelDescription
        Names, codes and colors of the structures; one without a voxel has no contours.
    model : Mapping
        `name`, `version` and `sha256`.
    rows : sequence of StructureRow
        What is known of the structures' uncertainty; it stands in the regions' descriptions.
    sources : sequence of Dataset
        D headers of the source series, in the order of the slices.
    """
    series = series_of_result(sources[0], model, 3, "Structure Set", NOTE)
    equipment, note = series.pop("contributing_equipment"), series.pop("content_description")
    image = SOPClass(
        study_instance_uid=sources[0].StudyInstanceUID,
        sop_class_uid=RTStructureSetStorage,
        modality="RTSTRUCT",
        # Explicit lengths of numbers as text end at 64 KiB, which long contours exceed.
        transfer_syntax_uid=ImplicitVRLittleEndian,
        **series,
    )
    image.copy_patient_and_study_information(sources[0])
    image.ContributingEquipmentSequence = equipment
    image.OperatorsName = ""
    image.StructureSetLabel, image.StructureSetName = _LABEL, long_string(model_name(model))
    image.StructureSetDescription = note
    now = datetime.now()
    image.StructureSetDate, image.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    image.FrameOfReferenceUID, image.PositionReferenceIndicator = sources[0].FrameOfReferenceUID, ""
    image.ReferencedFrameOfReferenceSequence = [_referenced(sources)]
    notes = {row.label: _note(row) for row in rows}
    image.StructureSetROISequence = [
        _region(structure, sources[0], notes.get(structure.label)) for structure in description.structures
    ]
    image.ROIContourSequence = [_contours(labels, structure, sources) for structure in description.structures]
    image.RTROIObservationsSequence = [_observation(structure) for structure in description.structures]
    image.ApprovalStatus = "UNAPPROVED"
    return image


def _referenced(sources: Sequence[Dataset]) -> Dataset:
    """Frame of reference, study, series and slices to which the contours belong."""
    series = Dataset()
    series.SeriesInstanceUID = sources[0].SeriesInstanceUID
    series.ContourImageSequence = [_slice(source) for source in sources]
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = (
        _STUDY_MANAGEMENT,
        sources[0].StudyInstanceUID,
    )
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = sources[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _slice(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item


def _region(structure: Structure, source: Dataset, note: str | None) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = structure.label, long_string(structure.name)
    item.ReferencedFrameOfReferenceUID = source.FrameOfReferenceUID
    item.ROIGenerationAlgorithm = "AUTOMATIC"
    if note:
        item.ROIDescription = note[:_LONGEST_TEXT]
    return item


def _note(row: StructureRow) -> str:
    """Volume, expected Dice coefficient and flag of a structure, as far as they are known."""
    parts = [f"volume {row.volume_ml:.4g} ml"]
    if row.volume_interval_ml is not None:
        low, high = row.volume_interval_ml
        parts[0] += f" ({low:.4g} to {high:.4g})"
    if row.expected_dsc is not None:
        parts.append(f"expected DSC {row.expected_dsc:.2f}")
    if row.flag is not None:
        parts.append(f"to review: {row.flag}")
    return "; ".join(parts)


def _contours(labels: Volume, structure: Structure, sources: Sequence[Dataset]) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = structure.label
    item.ROIDisplayColor = list(structure.color)
    found = list(_closed_planar(labels, structure.label, sources))
    if found:  # the sequence may be left out, but not be empty
        item.ContourSequence = found
    return item


def _closed_planar(labels: Volume, label: int, sources: Sequence[Dataset]) -> Iterator[Dataset]:
    mask = labels.array[0] == label
    for index in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for outline in outlines(mask[index]):
            places = np.column_stack([outline, np.full(len(outline), index), np.ones(len(outline))])
            points = (labels.index_to_lps @ places.T)[:3].T
            contour = Dataset()
            contour.ContourImageSequence = [_slice(sources[index])]
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{number:.4f}" for number in points.ravel()]
            yield contour


def _observation(structure: Structure) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = structure.label
    item.RTROIIdentificationCodeSequence = [structure_code(structure)]
    item.RTROIInterpretedType = "ORGAN"
    item.ROIInterpreter = ""
    return item
