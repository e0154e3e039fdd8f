"""`report.json`: what other programs rely on."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from TrustSegLib.errors import OutputError
from TrustSegLib.inference import Case
from TrustSegLib.report import report_json, report_schema, write_report
from TrustSegLib.uncertainty import StructureScores

SCORES = StructureScores(2, 0.36, 0.4, 0.05, 0.9, 0.95, 0.3, 0.06)
CALIBRATION = {
    "record": {"data": "Task04", "patients": 40, "conditions": ["clean"], "cases": 80, "folds": 5},
    "error_probability": {"ece_after": 0.02},
    "volumes": [{"label": 1, "level": 0.9, "coverage": 0.91, "cases": 80}],
    "quality": [{"label": 1, "coverage": 0.9, "mean_absolute_error": 0.03, "cases": 80}],
}


@dataclass(frozen=True)
class Region:
    """A place to look at."""

    rank: int = 1
    position_ras_mm: tuple[float, float, float] = (1.0, -2.0, 3.0)
    index: tuple[int, int, int] = (4, 5, 6)
    volume_ml: float = 0.5
    expected_wrong_ml: float = 0.2
    peak: float = 0.6
    mean: float = 0.4
    structures: tuple[str, ...] = ("Front",)


def valid(report: dict) -> bool:
    return jsonschema.Draft202012Validator(report_schema()).is_valid(report)


def test_report_schema_is_a_valid_json_schema():
    jsonschema.Draft202012Validator.check_schema(report_schema())


def test_report_fits_its_schema(result):
    jsonschema.validate(report_json(result, "scan.nii.gz", "trustseg segment"), report_schema())


def test_full_report_of_a_calibrated_model_fits_its_schema(result):
    rows = [
        dataclasses.replace(
            row,
            volume_interval_ml=(0.1, 0.3),
            expected_dsc=0.9,
            expected_dsc_interval=(0.8, 0.95),
            flag="review",
        )
        for row in result.structures
    ]
    full = dataclasses.replace(
        result,
        structures=tuple(rows),
        scores=(SCORES,),
        regions=(Region(),),
        case=Case(0.9),
        calibration=CALIBRATION,
    )
    report = report_json(full, Path("scan.nii.gz"), "trustseg segment")
    jsonschema.validate(report, report_schema())
    assert report["structures"][0]["volume_interval_ml"] == [0.1, 0.3]
    assert report["regions"][0]["position_ras_mm"] == [1.0, -2.0, 3.0]
    assert report["regions"][0]["index"] == [4, 5, 6]
    assert report["structures"][0]["expected_dsc_interval"] == [0.8, 0.95]
    assert (report["case"]["quality"], report["calibration"]) == (0.9, CALIBRATION)


def test_scores_are_listed_with_their_structure(result):
    report = report_json(dataclasses.replace(result, scores=(SCORES,)), "scan.nii.gz", "trustseg segment")
    jsonschema.validate(report, report_schema())
    front, back, missing = (row["scores"] for row in report["structures"])
    assert (front, missing) == (None, None)
    assert back == {
        "volume_ml": 0.36,
        "expected_volume_ml": 0.4,
        "volume_spread_ml": 0.05,
        "expected_dice": 0.9,
        "sampled_dice": 0.95,
        "boundary_uncertainty": 0.3,
        "mean_error": 0.06,
    }


@pytest.mark.parametrize("interval", [[0.5], [0.5, 1.2], "0.5-0.9"])
def test_odd_interval_of_the_expected_dsc_is_refused_by_the_schema(result, interval):
    report = report_json(result, "scan.nii.gz", "trustseg segment")
    report["structures"][0]["expected_dsc_interval"] = interval
    assert not valid(report)


def test_report_of_an_earlier_version_still_fits_the_schema(result):
    report = report_json(result, "scan.nii.gz", "trustseg segment")
    for row in report["structures"]:
        del row["scores"], row["expected_dsc_interval"]
    assert valid(report)


@pytest.mark.parametrize(
    "field",
    [
        "schema",
        "image",
        "model",
        "structures",
        "regions",
        "case",
        "calibration",
        "maps",
        "files",
        "provenance",
    ],
)
def test_report_without_a_promised_field_is_refused_by_the_schema(result, field):
    report = report_json(result, "scan.nii.gz", "trustseg segment")
    assert valid(report)
    del report[field]
    assert not valid(report)


@pytest.mark.parametrize(
    "field", ["label", "name", "volume_ml", "volume_interval_ml", "mean_uncertainty", "flag"]
)
def test_structure_without_a_promised_field_is_refused_by_the_schema(result, field):
    report = report_json(result, "scan.nii.gz", "trustseg segment")
    del report["structures"][0][field]
    assert not valid(report)


def test_figures_of_a_structure_are_unchanged(result):
    front, back, missing = report_json(result, "scan.nii.gz", "trustseg segment")["structures"]
    assert front == {
        "label": 1,
        "name": "Front",
        "volume_ml": pytest.approx(5 * 4 * 6 * 3.0 / 1000),
        "volume_interval_ml": None,
        "mean_uncertainty": pytest.approx(0.3),
        "expected_dsc": None,
        "expected_dsc_interval": None,
        "flag": None,
        "scores": None,
    }
    assert back["label"] == 2
    assert (missing["volume_ml"], missing["mean_uncertainty"]) == (0.0, None)


def test_each_map_has_its_unit_and_file(result):
    maps = report_json(result, "scan.nii.gz", "trustseg segment")["maps"]
    assert [(entry["name"], entry["unit"], entry["file"]) for entry in maps] == [
        ("error_probability", "raw, not calibrated", "uncertainty.nii.gz"),
        ("entropy", "nat", "uncertainty_entropy.nii.gz"),
    ]


def test_command_is_added_to_the_provenance_of_the_result(result):
    provenance = report_json(result, "scan.nii.gz", "trustseg segment scan.nii.gz")["provenance"]
    assert provenance["command"] == "trustseg segment scan.nii.gz"
    assert provenance["times"] == {"predict": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan")])
def test_number_that_is_not_finite_becomes_null(result, value):
    odd = dataclasses.replace(result, calibration={"temperature": value})
    assert report_json(odd, "scan.nii.gz", "trustseg segment")["calibration"] == {"temperature": None}


def test_value_without_a_json_form_is_refused(result):
    with pytest.raises(TypeError, match="object"):
        report_json(
            dataclasses.replace(result, calibration={"fit": object()}), "scan.nii.gz", "trustseg segment"
        )


def test_written_file_holds_the_report(result, tmp_path):
    report = write_report(
        result, tmp_path / "report.json", image_path="scan.nii.gz", command="trustseg segment"
    )
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == report
    assert report == report_json(result, "scan.nii.gz", "trustseg segment")


def test_names_of_any_script_can_be_read_in_the_file(result, tmp_path):
    write_report(result, tmp_path / "report.json", image_path="é 日本.nii.gz", command="trustseg segment")
    assert "é 日本.nii.gz" in (tmp_path / "report.json").read_bytes().decode("utf-8")


def test_file_name_that_is_not_valid_utf8_is_escaped(result, tmp_path):
    name = os.fsdecode(b"scan\xff.nii.gz")
    write_report(result, tmp_path / "report.json", image_path=name, command="trustseg segment")
    assert json.loads((tmp_path / "report.json").read_bytes())["image"] == name


def test_report_that_cannot_be_written_is_an_error_of_one_line(result, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / "report.json"
    with pytest.raises(OutputError, match=r"report\.json: cannot be written"):
        write_report(result, path, image_path="scan.nii.gz", command="trustseg segment")


def test_failed_write_keeps_the_old_report_and_leaves_no_other_file(result, tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OutputError, match="the disk is full"):
        write_report(result, path, image_path="scan.nii.gz", command="trustseg segment")
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "old"
