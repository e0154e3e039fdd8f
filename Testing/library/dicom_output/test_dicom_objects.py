"""Patient, model, segments and intended use in the DICOM results."""

from __future__ import annotations

from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.color import CIELabColor

from TrustSegLib.dicom_output import write_dicom

COPIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "AccessionNumber",
)


@pytest.fixture
def write(sample, result_of, description, tmp_path):
    """Write both files of a series with other fields; give the source's first file and the two."""

    def both(model=None, described=description, calibrated=True, **fields):
        source = sample(**fields)
        result = result_of(source)
        calibration = {"record": {}, "error_probability": {"ece_after": 0.01} if calibrated else None}
        result = replace(result, model=model or result.model, calibration=calibration)
        paths = write_dicom(result, described, source.folder, tmp_path)[:2]
        return tuple(pydicom.dcmread(path) for path in (source.folder / "0.dcm", *paths))

    return both


def test_patient_study_and_place_are_those_of_the_source(write):
    source, *results = write()
    for data in results:
        for name in (*COPIED, "StudyInstanceUID", "FrameOfReferenceUID"):
            assert data[name].value == source[name].value, name


def test_each_result_is_a_new_series_under_the_root_of_uuids(write):
    source, segmentation, uncertainty = write()
    new = [
        data[name].value
        for data in (segmentation, uncertainty)
        for name in ("SeriesInstanceUID", "SOPInstanceUID")
    ]
    new += [
        data.DimensionOrganizationSequence[0].DimensionOrganizationUID for data in (segmentation, uncertainty)
    ]
    assert len({*new, source.SeriesInstanceUID}) == 7
    assert all(uid.startswith("2.25.") for uid in new)
    assert (segmentation.SeriesNumber, uncertainty.SeriesNumber) == (701, 702)


def test_both_files_state_research_use_and_the_model_with_its_hash(write):
    _, *results = write()
    for data in results:
        assert data.ContentDescription.startswith("Research use only")
        assert "TrustSeg hippocampus-t1 0.1.0" in data.SeriesDescription
        described = [item.get("ContributionDescription", "") for item in data.ContributingEquipmentSequence]
        assert any("ab" * 32 in text for text in described)
    assert results[0].Modality == "SEG"
    assert results[1].ContentQualification == "RESEARCH"


def test_segments_carry_codes_modifiers_color_and_algorithm(write, description):
    first, second = write()[1].SegmentSequence
    assert (first.SegmentLabel, second.SegmentLabel) == ("Anterior hippocampus", "Posterior hippocampus")
    assert first.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "123037004"
    kind = first.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == (
        "5366008",
        "SCT",
        "Hippocampus",
    )
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == "255549009"
    assert "AnatomicRegionSequence" not in first
    region = second.AnatomicRegionSequence[0]
    assert region.CodeValue == "12738006"
    assert region.AnatomicRegionModifierSequence[0].CodeMeaning == "Left"
    color = CIELabColor.from_dicom_value(second.RecommendedDisplayCIELabValue).to_rgb()
    np.testing.assert_allclose(color, (86, 180, 233), atol=1)
    assert first.SegmentAlgorithmType == "AUTOMATIC"
    assert first.SegmentAlgorithmName == "TrustSeg hippocampus-t1 0.1.0"
    algorithm = first.SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmVersion == "0.1.0"
    assert "ab" * 32 in algorithm.AlgorithmParameters


def test_map_is_a_probability_without_unit(write):
    shared = write()[2].SharedFunctionalGroupsSequence[0]
    mapping = shared.RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeMeaning == "Probability"
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)


def test_map_that_is_not_calibrated_is_nowhere_called_a_probability(write):
    uncertainty = write(calibrated=False)[2]
    mapping = uncertainty.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert "QuantityDefinitionSequence" not in mapping
    assert mapping.LUTExplanation == "Uncertainty, raw (not calibrated)"
    assert uncertainty.SeriesDescription.startswith("Uncertainty, raw (not calibrated), TrustSeg")
    assert uncertainty.ContentDescription == "Research use only; raw, not calibrated: no probability"
    assert uncertainty.ContentLabel == "RAW_UNCERTAINTY"
    texts = [element.value for element in uncertainty.iterall() if isinstance(element.value, str)]
    assert not [text for text in texts if "ERROR_PROB" in text or "Error prob" in text]


def test_slice_distance_is_the_distance_and_not_the_thickness(write):
    for data in write()[1:]:
        measures = data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        assert float(measures.SpacingBetweenSlices) == pytest.approx(2.5, abs=1e-4)
        assert measures.SliceThickness == 2


def test_names_and_structures_keep_their_different_scripts(write, description):
    first, second = description.structures
    described = replace(description, structures=(replace(first, name="海馬"), second))
    fields = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jürgen"}
    _, segmentation, _ = write(described=described, **fields)
    assert segmentation.PatientName == "Müller^Jürgen"
    assert segmentation.SegmentSequence[0].SegmentLabel == "海馬"


def test_names_too_long_for_dicom_are_shortened(write, description):
    first, second = description.structures
    described = replace(description, structures=(replace(first, name="long " * 30), second))
    model = {"name": "n" * 64, "version": "1.0.0-rc.1", "sha256": "c" * 64}
    _, segmentation, _ = write(model=model, described=described)
    assert len(segmentation.SegmentSequence[0].SegmentLabel) <= 64
    assert len(segmentation.SeriesDescription) == 64


def test_anonymous_files_give_results_without_a_patient(write, capfd):
    fields = dict.fromkeys((*COPIED, "StudyTime", "SeriesNumber"))
    _, segmentation, uncertainty = write(**fields)
    assert "".join(capfd.readouterr()) == ""
    assert segmentation.PatientName == ""
    assert (segmentation.SeriesNumber, uncertainty.SeriesNumber) == (1, 2)


def test_values_that_violate_the_standard_are_accepted(write):
    with pytest.warns(UserWarning, match="exceeds the maximum length"):
        _, segmentation, _ = write(PatientSex="female", PatientName="no caret", StudyDescription="x" * 70)
    assert segmentation.PatientName == "no caret"


def test_ordinary_series_prints_and_warns_nothing(write, capfd, caplog, recwarn):
    write()
    assert "".join(capfd.readouterr()) == ""
    assert [record.getMessage() for record in caplog.records] == []
    assert [str(warning.message) for warning in recwarn] == []


def written(result, labels: np.ndarray, description, series, folder):
    result = replace(result, labels=result.labels.with_array(labels))
    return write_dicom(result, description, series, folder)[0]


def test_empty_mask_keeps_every_slice_of_every_segment(sample, result_of, description, tmp_path, capfd):
    source = sample()
    result = result_of(source)
    empty = np.zeros_like(result.labels.array)
    path = written(result, empty, description, source.folder, tmp_path)
    assert "".join(capfd.readouterr()) == ""
    assert pydicom.dcmread(path).NumberOfFrames == 2 * 12
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    assert volume.spatial_shape == empty.shape[1:]
    assert not volume.array.any()


def test_segment_without_voxels_is_described_and_has_no_frames(sample, result_of, description, tmp_path):
    source = sample()
    result = result_of(source)
    first = np.where(result.labels.array == 1, 1, 0).astype(np.uint8)
    path = written(result, first, description, source.folder, tmp_path)
    segmentation = highdicom.seg.segread(path)
    assert list(segmentation.segment_numbers) == [1, 2]
    assert segmentation.NumberOfFrames == first.any(axis=(0, 2, 3)).sum()
    volume = segmentation.get_volume(segment_numbers=[2])
    assert not volume.array.any()
    assert segmentation.get_volume(segment_numbers=[1]).array.sum() == first.sum()
