"""RT Structure Sets: what is read back from one is the mask, in the patient and in its study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from matplotlib.path import Path as Polygon

from TrustSegLib.contract import DICOM_STRUCTURES_FILE
from TrustSegLib.dicom_output import structure_set, write_dicom
from TrustSegLib.uncertainty import StructureRow

ONLY = (DICOM_STRUCTURES_FILE,)


def write(source, result, description, folder) -> pydicom.Dataset:
    (path,) = write_dicom(result, description, source.folder, folder, ONLY)
    return pydicom.dcmread(path)


def rasterized(data: pydicom.Dataset, source, number: int) -> np.ndarray:
    """Voxels whose centers lie in the contours of a region, each on the slice that it refers to."""
    mask = np.zeros(source.labels.shape, bool)
    files = [pydicom.dcmread(path, stop_before_pixels=True) for path in source.folder.iterdir()]
    slices = {each.SOPInstanceUID: each for each in files}
    lps_to_index = np.linalg.inv(source.labels.index_to_lps)
    rows, columns = np.indices(mask.shape[1:]).reshape(2, -1)
    (region,) = [each for each in data.ROIContourSequence if each.ReferencedROINumber == number]
    for contour in region.get("ContourSequence", []):
        points = np.reshape(np.array(contour.ContourData, float), (-1, 3))
        assert (contour.ContourGeometricType, contour.NumberOfContourPoints) == ("CLOSED_PLANAR", len(points))
        x, y, z = (lps_to_index @ np.column_stack([points, np.ones(len(points))]).T)[:3]
        place = round(float(z.mean()))
        np.testing.assert_allclose(z, place, atol=1e-3)
        header = slices[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        position = np.array(header.ImagePositionPatient, float)
        np.testing.assert_allclose(lps_to_index @ [*position, 1], [0, 0, place, 1], atol=1e-3)
        inside = Polygon(np.column_stack([x, y])).contains_points(np.column_stack([columns, rows]))
        mask[place] ^= inside.reshape(mask.shape[1:])
    return mask


@pytest.mark.parametrize("reverse", [False, True])
def test_contours_come_back_as_the_mask_on_their_slices(sample, result_of, description, tmp_path, reverse):
    source = sample(reverse=reverse)
    data = write(source, result_of(source), description, tmp_path)
    for label in (1, 2):
        expected = source.labels.array[0] == label
        assert expected.sum() > 100
        np.testing.assert_array_equal(rasterized(data, source, label), expected)


def test_regions_have_names_colors_and_codes_with_their_modifiers(sample, result_of, description, tmp_path):
    source = sample()
    data = write(source, result_of(source), description, tmp_path)
    regions = data.StructureSetROISequence
    assert [each.ROIName for each in regions] == [each.name for each in description.structures]
    assert {each.ROIGenerationAlgorithm for each in regions} == {"AUTOMATIC"}
    assert [list(each.ROIDisplayColor) for each in data.ROIContourSequence] == [[230, 159, 0], [86, 180, 233]]
    first, second = (each.RTROIIdentificationCodeSequence[0] for each in data.RTROIObservationsSequence)
    assert first.CodeValue == second.CodeValue == "5366008"
    assert first.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Anterior"
    assert data.ApprovalStatus == "UNAPPROVED"


def test_set_belongs_to_patient_study_series_and_every_slice(sample, result_of, description, tmp_path):
    source = sample()
    data = write(source, result_of(source), description, tmp_path)
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in source.folder.iterdir()]
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "FrameOfReferenceUID"):
        assert data[name].value == slices[0][name].value
    assert (data.Modality, data.SeriesNumber) == ("RTSTRUCT", 703)
    assert data.SeriesInstanceUID != slices[0].SeriesInstanceUID
    (study,) = data.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    (series,) = study.RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == slices[0].SeriesInstanceUID
    named = {each.ReferencedSOPInstanceUID for each in series.ContourImageSequence}
    assert named == {each.SOPInstanceUID for each in slices}


def test_description_of_a_region_says_how_certain_it_is(sample, result_of, description, tmp_path):
    source = sample()
    rows = (
        StructureRow(
            1, "Anterior hippocampus", 1.5, (1.25, 1.75), 0.1, 0.88, (0.8, 0.9), "reaches the border"
        ),
        StructureRow(2, "Posterior hippocampus", 2.0),
    )
    data = write(source, replace(result_of(source), structures=rows), description, tmp_path)
    first, second = (each.ROIDescription for each in data.StructureSetROISequence)
    assert first == "volume 1.5 ml (1.25 to 1.75); expected DSC 0.88; to review: reaches the border"
    assert second == "volume 2 ml"


def test_empty_structure_is_a_region_without_contours(sample, result_of, description, tmp_path):
    source = sample()
    result = result_of(source)
    labels = result.labels.with_array(np.where(result.labels.array == 2, 2, 0).astype(np.uint8))
    data = write(source, replace(result, labels=labels, maps={}), description, tmp_path)
    assert ["ContourSequence" in each for each in data.ROIContourSequence] == [False, True]
    assert len(data.StructureSetROISequence) == 2


def test_contour_of_more_than_64_kib_comes_back(sample, result_of, description, tmp_path, monkeypatch):
    """Numbers as text of this length do not fit into the explicit form of a DICOM file."""
    source = sample()
    angle = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    circle = np.column_stack([12 + 9 * np.cos(angle), 15 + 9 * np.sin(angle)])
    monkeypatch.setattr(structure_set, "outlines", lambda mask: [circle])
    data = write(source, result_of(source), description, tmp_path)
    contour = data.ROIContourSequence[0].ContourSequence[0]
    assert contour.NumberOfContourPoints == 5000
    assert len(contour.ContourData) == 15000
