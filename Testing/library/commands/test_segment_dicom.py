"""`--dicom-seg`: DICOM results beside the others, refused before the work where they are not possible."""

from __future__ import annotations

import json
import os
from pathlib import Path

import heads
import numpy as np
import pydicom
import pytest
from dicom_samples import write_series

from TrustSegLib.bundle import find_bundle
from TrustSegLib.cases.targets import plan_targets
from TrustSegLib.cli import build_parser
from TrustSegLib.commands import segment as command
from TrustSegLib.dicom_output import requirement
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import orient, read_labels, read_volume, resample, write_volume

DICOM = {"segmentation.dcm", "uncertainty.dcm", "report.dcm"}


def run(images: list[Path], output: Path, model: Path, *options: str, dicom: bool = True) -> int:
    arguments = ["segment", *map(str, images), "-o", str(output), "--model", str(model), *options]
    parsed = build_parser().parse_args(arguments)
    parsed.command_line, parsed.dicom_seg = "trustseg", dicom
    return command.run(parsed, plan_targets(parsed.images, parsed.output))


@pytest.fixture
def series(tmp_path, new_volume) -> Path:
    return write_series(tmp_path / "study" / "series", new_volume().array[0])


@pytest.fixture
def no_work(monkeypatch):
    """The work must not begin."""
    monkeypatch.setattr(command, "segment", lambda *_, **__: pytest.fail("the work was begun"))


def test_all_files_are_there_listed_and_hold_the_mask(series, model, output, capsys):
    assert run([series], output, model, "--json", "--maps", "entropy") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["files"]["dicom_segmentation"] == "segmentation.dcm"
    assert report["files"]["dicom_uncertainty"] == "uncertainty.dcm"
    assert report["files"]["dicom_report"] == "report.dcm"
    listed = [*report["files"].values(), *(entry["file"] for entry in report["maps"])]
    assert sorted(listed) == sorted(os.listdir(output))
    segmentation = pydicom.dcmread(output / "segmentation.dcm")
    assert segmentation.PatientID == "4711"
    mask = read_labels(output / "mask.nii.gz").array
    assert segmentation.pixel_array.sum() == (mask > 0).sum()
    assert pydicom.dcmread(output / "uncertainty.dcm").NumberOfFrames == mask.shape[1]


def test_without_the_option_there_are_no_dicom_files(series, model, output, capsys):
    assert run([series], output, model, "--json", dicom=False) == 0
    assert not DICOM & {*os.listdir(output), *json.loads(capsys.readouterr().out)["files"].values()}


def test_structure_set_is_written_alone_or_with_the_others(series, model, output, capsys):
    assert run([series], output, model, "--json", "--rtstruct", dicom=False) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["files"]["dicom_structures"] == "structures.dcm"
    assert not DICOM & set(os.listdir(output))
    data = pydicom.dcmread(output / "structures.dcm")
    assert [each.ROIName for each in data.StructureSetROISequence] == [
        each["name"] for each in report["structures"]
    ]
    notes = [each.ROIDescription for each in data.StructureSetROISequence]
    assert all(note.startswith("volume ") for note in notes)
    assert run([series], output, model, "--json", "--rtstruct") == 0
    listed = json.loads(capsys.readouterr().out)["files"].values()
    assert DICOM | {"structures.dcm"} <= {*os.listdir(output)} & {*listed}
    assert run([series], output, model, "--quiet", dicom=False) == 0
    assert "structures.dcm" not in os.listdir(output)


def test_structure_set_of_an_image_file_is_refused_before_the_work(image, model, output, no_work):
    with pytest.raises(OptionError, match=r"image.nii.gz: .*--rtstruct"):
        run([image], output, model, "--rtstruct", dicom=False)


def test_summary_lists_the_dicom_files(series, model, output, capsys):
    assert run([series], output, model) == 0
    assert "segmentation.dcm, uncertainty.dcm, report.dcm" in capsys.readouterr().out


def test_head_series_gives_four_segments_by_side(tmp_path, output):
    # As a sagittal series of a scanner.
    head = orient(resample(heads.sample(), (2.0, 2.0, 2.0)), "PIR")
    series = write_series(
        tmp_path / "head", head.array[0], spacing=head.spacing, origin=head.origin, direction=head.direction
    )
    assert run([series], output, find_bundle("hippocampus-t1"), "--quiet") == 0
    data = pydicom.dcmread(output / "segmentation.dcm")
    sides = {"Left": "7771000", "Right": "24028007"}
    parts = [f"{side} {part} hippocampus" for side in sides for part in ("anterior", "posterior")]
    assert [segment.SegmentLabel for segment in data.SegmentSequence] == parts
    mask = read_labels(output / "mask.nii.gz").array
    for segment in data.SegmentSequence:
        side, part, _ = segment.SegmentLabel.split()
        (kind,), (region,) = segment.SegmentedPropertyTypeCodeSequence, segment.AnatomicRegionSequence
        assert kind.CodeMeaning == region.CodeMeaning == "Hippocampus"
        assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning.lower() == part
        assert region.AnatomicRegionModifierSequence[0].CodeValue == sides[side]
        area = frame_areas(data, segment.SegmentNumber)
        assert sum(area.values()) == (mask == segment.SegmentNumber).sum() > 50
        # Each frame is a sagittal plane: its x, in LPS, is positive on the left.
        assert all((x > 0) == (side == "Left") for x in area)
    error = np.frombuffer(pydicom.dcmread(output / "uncertainty.dcm").FloatPixelData, np.float32)
    np.testing.assert_allclose(
        np.sort(error), np.sort(read_volume(output / "uncertainty.nii.gz").array.ravel())
    )


def frame_areas(data: pydicom.Dataset, number: int) -> dict[float, int]:
    """Voxels of a segment in each of its frames, by the frame's x, LPS mm."""
    frames = zip(data.PerFrameFunctionalGroupsSequence, data.pixel_array, strict=True)
    return {
        float(group.PlanePositionSequence[0].ImagePositionPatient[0]): int(pixels.sum())
        for group, pixels in frames
        if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number
    }


def test_second_run_replaces_or_removes_the_dicom_files_of_the_first(series, model, output):
    assert run([series], output, model, "--quiet") == 0
    before = (output / "segmentation.dcm").stat().st_ino
    assert run([series], output, model, "--quiet") == 0
    assert (output / "segmentation.dcm").stat().st_ino != before
    assert run([series], output, model, "--quiet", dicom=False) == 0
    assert not DICOM & set(os.listdir(output))


def test_image_that_is_not_a_series_is_refused_before_the_work(image, series, model, output, no_work):
    with pytest.raises(OptionError, match=r"image.nii.gz: .*--dicom-seg"):
        run([series, image], output, model)
    assert not output.exists()


def test_batch_folder_of_image_files_is_refused_before_the_work(new_volume, model, output, tmp_path, no_work):
    (tmp_path / "patients").mkdir()
    write_volume(new_volume(), tmp_path / "patients" / "a.nii.gz")
    with pytest.raises(OptionError, match=r"a.nii.gz: .*--dicom-seg"):
        run([tmp_path / "patients"], output, model)


@pytest.mark.parametrize("where", [".", "results", "deeper/still", "../other/../series/results"])
def test_results_in_the_folder_of_the_series_are_refused(where, series, model, no_work):
    before = sorted(series.rglob("*"))
    with pytest.raises(OptionError, match=r"^[^\n]*lies in the folder of the series[^\n]*$"):
        run([series], series / where, model)
    assert sorted(series.rglob("*")) == before


def test_results_among_the_slices_of_several_series_are_refused(series, new_volume, model, no_work):
    """Each would write into DIR/NAME, which is the series itself where DIR is their common folder."""
    second = write_series(series.parent / "second", new_volume().array[0])
    with pytest.raises(OptionError, match="lies in the folder of the series"):
        run([second, series], series.parent, model)


def test_results_in_the_folder_of_another_series_are_refused(series, new_volume, model, tmp_path, no_work):
    """The first is named by a link, so that the second one's folder for results is the first series."""
    (tmp_path / "link").symlink_to(series)
    second = write_series(tmp_path / "elsewhere" / "series", new_volume().array[0])
    with pytest.raises(OptionError, match="lies in the folder of the series"):
        run([tmp_path / "link", second], series.parent, model)


def test_folder_beside_the_series_is_accepted(series, model):
    assert run([series], series.parent / "series results", model, "--quiet") == 0


def test_missing_highdicom_is_reported_before_the_work(series, model, output, no_work, monkeypatch):
    monkeypatch.setattr(requirement, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'trustseg\[dicom\]'"):
        run([series], output, model)


def test_series_without_an_identifier_fails_and_leaves_no_output(new_volume, model, output, tmp_path):
    nameless = write_series(tmp_path / "nameless", new_volume().array[0], FrameOfReferenceUID="")
    with pytest.raises(ImageError, match="FrameOfReferenceUID"):
        run([nameless], output, model)
    assert not output.exists()


def test_several_series_get_their_files_each(series, new_volume, model, output):
    second = write_series(series.parent / "second", new_volume().array[0])
    assert run([series, second], output, model, "--quiet") == 0
    assert all(set(os.listdir(output / name)) >= DICOM for name in ("series", "second"))
