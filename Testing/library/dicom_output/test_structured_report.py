"""Structured reports: what pydicom and highdicom read back from one are the figures of the result."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from source_tree import ROOT

from TrustSegLib.bundle import ModelDescription
from TrustSegLib.contract import DICOM_REPORT_FILE, DICOM_SEGMENTATION_FILE, LOCATED, MODEL_FILE
from TrustSegLib.dicom_output import write_dicom
from TrustSegLib.dicom_output.structured_report import ERROR_PROBABILITY, EXPECTED_DSC, interval_limit
from TrustSegLib.inference.result import Case, Sides
from TrustSegLib.uncertainty import StructureRow

FILES = (DICOM_SEGMENTATION_FILE, DICOM_REPORT_FILE)
LOWER, UPPER = interval_limit(0.9, "lower"), interval_limit(0.9, "upper")


@dataclass(frozen=True)
class Written:
    """The files as highdicom reads them, and those of the source."""

    report: highdicom.sr.ComprehensiveSR
    segmentation: pydicom.Dataset
    sources: tuple[pydicom.Dataset, ...]

    @property
    def groups(self) -> list:
        return self.report.content.get_volumetric_roi_measurement_groups()

    @property
    def comments(self) -> list[str]:
        """Sentences on the whole result."""
        (container,) = (
            item for item in self.report.content[0].ContentSequence if "Qualitative" in meaning(item)
        )
        return [item.TextValue for item in container.ContentSequence]


def meaning(item: pydicom.Dataset) -> str:
    return item.ConceptNameCodeSequence[0].CodeMeaning


def group_comments(group) -> list[str]:
    return [item.TextValue for item in group[0].ContentSequence if meaning(item) == "Comment"]


def figures(group) -> dict[tuple, tuple[float, str]]:
    """Value and unit of each number of a group, by its name and derivation."""
    return {
        (each.name.value, each.derivation and each.derivation.value): (each.value, each.unit.value)
        for each in group.get_measurements()
    }


@pytest.fixture
def write(sample, result_of, description, rows, calibrated, tmp_path):
    """Write the report of a result of which all is known, with other fields: `write(calibration=None)`."""

    def one(described=description, **changes) -> Written:
        source = sample()
        result = replace(result_of(source), structures=rows, calibration=calibrated(1, 2))
        if "labels" in changes:
            changes["labels"] = result.labels.with_array(changes["labels"](result.labels.array))
        paths = write_dicom(replace(result, **changes), described, source.folder, tmp_path, FILES)
        slices = tuple(pydicom.dcmread(path, stop_before_pixels=True) for path in source.folder.iterdir())
        return Written(highdicom.sr.srread(paths[1]), pydicom.dcmread(paths[0]), slices)

    return one


def test_numbers_of_each_structure_come_back_with_their_units(write):
    first, second = write().groups
    volume, dsc = codes.SCT.Volume.value, EXPECTED_DSC.value
    assert figures(first) == {
        (volume, None): (1.5, "ml"),
        (volume, LOWER.value): (1.25, "ml"),
        (volume, UPPER.value): (1.75, "ml"),
        (dsc, None): (0.88, "1"),
        (dsc, LOWER.value): (0.8, "1"),
        (dsc, UPPER.value): (0.9, "1"),
        (ERROR_PROBABILITY.value, codes.SCT.Mean.value): (0.07, "1"),
    }
    assert figures(second)[volume, UPPER.value] == (2.5, "ml")
    assert LOWER.meaning == "Lower limit of the 90 % prediction interval"
    assert group_comments(first) == ["To review: reaches the border"]
    assert group_comments(second) == []


def test_what_is_not_known_is_left_out_and_said(write, rows):
    bare = tuple(StructureRow(row.label, row.name, row.volume_ml, None, 0.2) for row in rows)
    written = write(structures=bare, calibration=None)
    for group, row in zip(written.groups, bare, strict=True):
        assert figures(group) == {(codes.SCT.Volume.value, None): (row.volume_ml, "ml")}
        assert group_comments(group) == [
            "Not known: interval of the volume, expected DSC, probability of errors"
        ]
    assert "Uncertainty not calibrated" in written.comments
    assert any(text.startswith("Not calibrated: no part") for text in written.comments)


def test_parts_that_are_not_calibrated_are_named(write, rows, calibrated):
    failed = {"part": "volumes", "label": 2, "structure": "Posterior hippocampus", "reason": "coverage 70 %"}
    calibration = {**calibrated(1, 2), "not_calibrated": [failed]}
    calibration["volumes"] = calibration["volumes"][:1]
    written = write(structures=(rows[0], replace(rows[1], volume_interval_ml=None)), calibration=calibration)
    assert group_comments(written.groups[1]) == ["Not known: interval of the volume"]
    assert "Not calibrated: the volume interval of Posterior hippocampus (coverage 70 %)." in written.comments


def test_groups_refer_to_the_segments_of_the_file_and_to_the_series(write, rows):
    written = write()
    segments = {each.SegmentNumber: each.SegmentLabel for each in written.segmentation.SegmentSequence}
    for group, row in zip(written.groups, rows, strict=True):
        reference = group.referenced_segment
        assert reference.referenced_sop_instance_uid == written.segmentation.SOPInstanceUID
        assert reference.referenced_sop_class_uid == written.segmentation.SOPClassUID
        (number,) = reference.referenced_segment_numbers
        assert (segments[number], group.tracking_identifier) == (row.name, row.name)
        assert reference.source_series_for_segmentation.value == written.sources[0].SeriesInstanceUID
    assert len({group.tracking_uid for group in written.groups}) == 2
    evidence = {uid for _, _, uid, _ in written.report.get_evidence(current_procedure_only=True)}
    assert evidence == {each.SOPInstanceUID for each in (written.segmentation, *written.sources)}


def test_report_has_patient_and_study_and_is_a_new_unverified_series(write):
    written = write()
    report, source = written.report, written.sources[0]
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
        assert report[name].value == source[name].value
    assert (report.Modality, report.SeriesNumber) == ("SR", 704)
    series = {report.SeriesInstanceUID, written.segmentation.SeriesInstanceUID, source.SeriesInstanceUID}
    assert len(series) == 3
    assert report.SOPInstanceUID.startswith("2.25.")
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    (procedure,) = (item for item in report.ContentSequence if meaning(item) == "Procedure reported")
    assert procedure.ConceptCodeSequence[0].CodeValue == codes.LN.MRIUnspecifiedBodyRegion.value


def test_algorithm_and_observer_are_the_model_and_its_use_is_stated(write):
    written = write()
    for group in written.groups:
        said = [(meaning(item), item) for item in group[0].ContentSequence]
        texts = [(name, item.TextValue) for name, item in said if "TextValue" in item]
        assert ("Algorithm Name", "TrustSeg hippocampus-t1 0.1.0") in texts
        assert ("Algorithm Version", "0.1.0") in texts
        assert ("Algorithm Parameters", f"model_sha256={'ab' * 32}") in texts
        assert ("Algorithm Parameters", "family=vdp") in texts
        (family,) = (item for name, item in said if name == "Algorithm Family")
        assert family.ConceptCodeSequence[0].CodeValue == codes.DCM.ArtificialIntelligence.value
    (observer,) = written.report.content.get_observer_contexts(codes.DCM.Device)
    device = observer.observer_identifying_attributes
    assert (device.name, device.serial_number) == ("TrustSeg hippocampus-t1 0.1.0", "ab" * 32)
    assert written.comments[0] == "Research use only; automatic, not reviewed by a person"


def test_same_model_is_the_same_device(sample, result_of, description, tmp_path):
    devices = []
    for number in range(2):
        source = sample(folder=f"series {number}")
        path = write_dicom(result_of(source), description, source.folder, tmp_path, FILES)[1]
        (observer,) = highdicom.sr.srread(path).content.get_observer_contexts()
        devices.append(observer.observer_identifying_attributes.uid)
    assert devices[0] == devices[1]
    assert devices[0].is_valid


def test_findings_have_the_codes_of_the_model_at_their_place(write):
    first, second = write().groups
    for group in (first, second):
        assert group.finding_type.value == "5366008"
        assert group.finding_category.value == "123037004"
    (site,) = first.finding_sites
    assert (site.value.meaning, site.topographical_modifier.meaning) == ("Hippocampus", "Anterior")
    assert site.laterality is None
    (site,) = second.finding_sites
    assert (site.value.meaning, site.laterality.meaning) == ("Hippocampus", "Left")


def test_finding_that_is_no_anatomy_lies_in_its_region_or_nowhere(write, description):
    first, second = description.structures
    lesion = replace(first.terminology.category, code="49755003", meaning="Morphologically Altered Structure")
    described = replace(
        description,
        structures=tuple(
            replace(each, terminology=replace(each.terminology, category=lesion)) for each in (first, second)
        ),
    )
    nowhere, somewhere = write(described).groups
    assert nowhere.finding_sites == []
    (site,) = somewhere.finding_sites
    assert (site.value.meaning, site.laterality.meaning) == ("Brain", "Left")


def test_structures_of_a_located_head_have_their_side_and_the_limit_of_their_figures(write, rows, calibrated):
    model = json.loads((ROOT / "TrustSegLib/models/hippocampus-t1" / MODEL_FILE).read_text("utf-8"))
    bundled = ModelDescription.from_dict(model)
    anatomy = bundled.located_structures
    written = write(
        bundled,
        structures=tuple(
            replace(rows[index % 2], label=structure.label, name=structure.name)
            for index, structure in enumerate(anatomy)
        ),
        anatomy=anatomy,
        calibration=calibrated(1, 2, 3, 4),
        sides=Sides("hippocampus", {"Left": 3.5, "Right": 3.5}, 7.0, 0.0),
        labels=lambda labels: np.where((labels > 0) & (np.arange(labels.shape[3]) > 12), labels + 2, labels),
    )
    sites = [group.finding_sites[0] for group in written.groups]
    assert [(site.laterality.meaning, site.topographical_modifier.meaning) for site in sites] == [
        ("Left", "Anterior"),
        ("Left", "Posterior"),
        ("Right", "Anterior"),
        ("Right", "Posterior"),
    ]
    assert {site.value.meaning for site in sites} == {"Hippocampus"}
    numbers = [group.referenced_segment.referenced_segment_numbers for group in written.groups]
    assert numbers == [[1], [2], [3], [4]]
    assert any(text.endswith(LOCATED) for text in written.comments)


def test_located_crops_without_sides_have_the_limit_of_their_figures(write):
    found = {"location": {"centers_ras_mm": {}}}
    written = write(provenance=found)
    assert LOCATED in written.comments


def test_warnings_of_the_case_and_names_in_any_script_are_kept(write, description, rows):
    first, second = description.structures
    described = replace(description, structures=(replace(first, name="海馬" * 40), second))
    named = (replace(rows[0], name="海馬" * 40), rows[1])
    case = Case(None, ("The image is unlike those of the training.",))
    written = write(described, structures=named, case=case)
    assert written.groups[0].tracking_identifier == "海馬" * 40
    assert written.comments[-1] == case.warnings[0]


def test_empty_structure_is_reported_with_no_volume(write, rows):
    empty = replace(rows[0], volume_ml=0.0, mean_uncertainty=None, flag="nothing was found of it")
    written = write(
        structures=(empty, rows[1]),
        labels=lambda labels: np.where(labels == 2, 2, 0).astype(np.uint8),
    )
    first = written.groups[0]
    assert figures(first)[codes.SCT.Volume.value, None] == (0.0, "ml")
    assert (ERROR_PROBABILITY.value, codes.SCT.Mean.value) not in figures(first)
    assert group_comments(first) == ["To review: nothing was found of it"]
