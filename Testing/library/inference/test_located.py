"""A whole head: both hippocampi are found, cut out, segmented like crops and put back into the head."""

from __future__ import annotations

import dataclasses

import heads
import jsonschema
import numpy as np
import pytest

from TrustSegLib.bundle import find_bundle, load_bundle
from TrustSegLib.cases.case_files import write_case
from TrustSegLib.cli import main
from TrustSegLib.commands.summary import print_summary
from TrustSegLib.contract import LOCATED, LPS_FROM_RAS
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import orient, resample, write_volume
from TrustSegLib.imaging.grid import Grid
from TrustSegLib.imaging.location import locate
from TrustSegLib.inference import Cancelled, Progress, Roi, SegmentOptions, segment
from TrustSegLib.inference.located import LARGER, cut_fields, is_larger
from TrustSegLib.report import report_json, report_schema

CENTER_MM = 5.0
INSIDE = 0.75
"""Share of each mask in AAL's hippocampus, whose labels are of another style; the right one lies higher."""


@pytest.fixture(scope="module")
def model():
    return load_bundle(find_bundle("hippocampus-t1"))


@pytest.fixture(scope="module")
def head():
    return heads.ch2()


@pytest.fixture(scope="module")
def straight(head, model):
    """Result of the head as it is, and the progress that was reported."""
    told: list[Progress] = []
    return segment(head, model, progress=told.append), told


def side(result, name):
    """Mask of a side."""
    labels = [row.label for row in result.structures if row.name.startswith(name)]
    return np.isin(result.labels.array, labels)


def assert_at_aal(result, labels):
    for name, label in heads.HIPPOCAMPI.items():
        mask = side(result, name)
        found = heads.center(result.labels.with_array(mask.astype(np.uint8)), 1)
        assert np.linalg.norm(found - heads.center(labels, label)) < CENTER_MM, name
        assert (labels.array[mask] == label).mean() > INSIDE, name


def test_both_hippocampi_are_segmented_where_aal_has_them(straight):
    assert_at_aal(straight[0], heads.aal())


def test_rows_are_named_by_side_and_agree_with_the_mask(straight, head):
    result, _ = straight
    assert [row.name.split()[0] for row in result.structures] == ["Left", "Left", "Right", "Right"]
    assert [row.label for row in result.structures] == [1, 2, 3, 4] == [s.label for s in result.scores]
    for row in result.structures:
        assert row.volume_ml == pytest.approx((result.labels.array == row.label).sum() * 1e-3)
        assert row.volume_interval_ml[0] < row.volume_ml < row.volume_interval_ml[1]
        assert 0.8 < row.expected_dsc < 0.95
    left, right = (result.sides.volumes_ml[name] for name in ("Left", "Right"))
    assert result.sides.total_ml == pytest.approx(left + right)
    assert result.sides.asymmetry_percent == pytest.approx(200 * (right - left) / (left + right))
    assert result.labels.same_grid(head)


def test_regions_lie_where_the_map_is_uncertain(straight, head):
    result, _ = straight
    error = result.maps["error_probability"].array[0]
    for region in result.regions:
        x, y, z = region.index
        position = (head.index_to_lps @ [x, y, z, 1])[:3] * [-1, -1, 1]
        np.testing.assert_allclose(region.position_ras_mm, position, atol=1e-3)
        assert error[z, y, x] > 0.05
        assert {name.split()[0] for name in region.structures} <= {"Left" if position[0] < 0 else "Right"}


def test_progress_goes_through_both_sides_once(straight):
    _, told = straight
    predicted = [one.done / one.total for one in told if one.stage == "predict"]
    assert predicted == sorted(predicted)
    assert predicted[-1] == 1
    located = [one.done / one.total for one in told if one.stage == "locate"]
    assert located == sorted(located)
    assert (located[0], located[-1]) == (0, 1)
    assert len(set(located)) > 10
    assert list(dict.fromkeys(one.stage for one in told)) == [
        "locate",
        "prepare",
        "predict",
        "restore",
        "measure",
    ]


@pytest.mark.parametrize("share", [0.3, 0.48], ids=["search", "registration"])
def test_cancelling_the_search_stops_it_at_once(head, model, share):
    told: list[Progress] = []
    with pytest.raises(Cancelled):
        segment(head, model, progress=told.append, cancelled=lambda: reached(told, share))
    assert {one.stage for one in told} == {"locate"}
    late = [one for one in told if one.done / one.total >= share]
    assert len(late) == 1
    assert late[0].done < late[0].total


def reached(told: list[Progress], share: float) -> bool:
    return bool(told) and told[-1].done / told[-1].total >= share


def test_report_fits_the_schema_and_says_where_it_was_found(straight):
    report = report_json(straight[0], "head.nii.gz", "trustseg")
    jsonschema.validate(report, report_schema())
    assert [entry["name"] for entry in report["anatomy"]] == [row["name"] for row in report["structures"]]
    assert report["provenance"]["location"]["centers_ras_mm"]["Left"][0] < 0
    measured = {entry["of"] for entry in report["calibration"]["volumes"]}
    assert measured == {"Anterior hippocampus", "Posterior hippocampus"}


def test_turned_head_in_another_order_of_axes_gives_the_same_volumes(straight, head, model):
    turned = segment(orient(heads.rotated(head, 20, 2), "SAL"), model)
    labels = orient(heads.rotated(heads.aal(), 20, 2, nearest=True), "SAL")
    assert_at_aal(turned, labels)
    for row, before in zip(turned.structures, straight[0].structures, strict=True):
        assert row.volume_ml == pytest.approx(before.volume_ml, rel=0.06)


@pytest.mark.parametrize("half_way", [False, True], ids=["as located", "half-way between voxels"])
def test_fields_are_the_same_in_all_48_orders_of_the_axes(head, model, half_way):
    small = resample(head, (3.0, 3.0, 3.0))
    location = locate(small, model.atlas())
    if half_way:
        # 36 mm are 12 voxels: around a voxel's center they would begin and end within voxels.
        center = np.array(model.description.locator.fields_of_view[0].center_mm) * LPS_FROM_RAS
        matrix = np.eye(4)
        matrix[:3, 3] = Grid.of(small).points(np.array([[22.0, 33.0, 20.0]]))[0] - center
        location = dataclasses.replace(location, matrix=matrix)
    # That the location does not depend on the order either is a test of `locate`.
    expected = cut_fields(small, model, location).crops
    assert [crop.field.side for crop in expected] == ["left", "right"]
    for letters in heads.orders_of_axes():
        found = cut_fields(orient(small, letters), model, location)
        for crop, before in zip(found.crops, expected, strict=True):
            assert crop.field == before.field
            np.testing.assert_allclose(crop.center, before.center, atol=1e-3)
            for name in ("place", "seen"):
                arrays = [orient(getattr(each, name), "RAS").array for each in (crop, before)]
                np.testing.assert_array_equal(*arrays)


def test_half_a_head_has_one_side_and_says_so(straight, head, model):
    result = segment(heads.part(head, x=slice(0, 92)), model)
    assert [row.name for row in result.structures] == [row.name for row in straight[0].structures[:2]]
    assert any("Right hippocampus" in warning and "outside" in warning for warning in result.case.warnings)
    assert result.sides.asymmetry_percent is None


def test_scan_of_nothing_is_a_failed_case_without_a_mask(model, tmp_path, capsys):
    write_volume(heads.blobs(), tmp_path / "blobs.nii.gz")
    arguments = ["segment", tmp_path / "blobs.nii.gz", "-o", tmp_path / "out", "--model", model.path]
    assert main(list(map(str, arguments))) == 2
    error = capsys.readouterr().err
    assert "no brain was found in the scan" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("mask.nii.gz"))


def test_top_of_a_head_has_no_hippocampus(head, model):
    with pytest.raises(ImageError, match="without the hippocampus"):
        segment(heads.part(head, z=slice(80, None)), model)


def test_region_of_interest_is_segmented_without_a_search(head, model):
    roi = Roi((-32, -22, -27, -15, -15, -7))
    part = heads.part(head, x=slice(30, 100), y=slice(60, 140), z=slice(20, 100))
    assert is_larger(part, model.description)
    result = segment(part, model, SegmentOptions(roi=roi))
    assert result.sides is None
    assert [row.label for row in result.structures] == [1, 2]


def test_crop_is_not_searched_and_a_head_is(head, model):
    field = model.description.locator.fields_of_view[0]
    crop = heads.part(head, x=slice(0, 45), y=slice(0, 60), z=slice(0, 50))
    assert not is_larger(crop, model.description)
    assert is_larger(head, model.description)
    assert not is_larger(head, dataclasses.replace(model.description, locator=None))
    assert np.prod(crop.shape) < LARGER * np.prod(field.size_mm)


def test_console_and_page_tell_where_and_how_much(straight, head, model, tmp_path, capsys):
    result, image = straight[0], tmp_path / "head.nii.gz"
    print_summary(result, image, tmp_path)
    text = capsys.readouterr().out
    assert "Right posterior hippocampus" in text
    assert "asymmetry (right - left) / mean" in text
    assert "found in the scan: left at -2" in text
    assert text.count("volumes of Anterior hippocampus") == 1
    report = write_case(tmp_path, head, result, model.description, image_path=image, command="trustseg")
    page = (tmp_path / "report.html").read_text()
    assert "asymmetry" in page
    assert LOCATED in text
    assert LOCATED in page
    assert "Left anterior hippocampus" in page
    assert report["sides"]["organ"] == "hippocampus"
