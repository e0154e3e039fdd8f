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
from TrustSegLib.report import report_json, report_schema, write_report


@dataclass(frozen=True)
class Region:
    """A place to look at, as a later version will report it."""

    rank: int = 1
    position_ras_mm: tuple[float, float, float] = (1.0, -2.0, 3.0)
    volume_ml: float = 0.5
    peak: float = 0.6
    mean: float = 0.4
    structures: tuple[str, ...] = ("Front",)


def valid(report: dict) -> bool:
    return jsonschema.Draft202012Validator(report_schema()).is_valid(report)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(report_schema())


def test_a_report_fits_its_schema(result):
    jsonschema.validate(report_json(result, "scan.nii.gz", "trustseg segment"), report_schema())


def test_a_full_report_of_a_calibrated_model_fits_its_schema(result):
    rows = [
        dataclasses.replace(row, volume_interval_ml=(0.1, 0.3), expected_dsc=0.9, flag="review")
        for row in result.structures
    ]
    full = dataclasses.replace(
        result, structures=tuple(rows), regions=(Region(),), calibration={"temperature": np.float64(1.3)}
    )
    report = report_json(full, Path("scan.nii.gz"), "trustseg segment")
    jsonschema.validate(report, report_schema())
    assert report["structures"][0]["volume_interval_ml"] == [0.1, 0.3]
    assert report["regions"][0]["position_ras_mm"] == [1.0, -2.0, 3.0]
    assert report["calibration"] == {"temperature": 1.3}


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
def test_a_report_without_a_promised_field_is_refused_by_the_schema(result, field):
    report = report_json(result, "scan.nii.gz", "trustseg segment")
    assert valid(report)
    del report[field]
    assert not valid(report)


@pytest.mark.parametrize(
    "field", ["label", "name", "volume_ml", "volume_interval_ml", "mean_uncertainty", "flag"]
)
def test_a_structure_without_a_promised_field_is_refused_by_the_schema(result, field):
    report = report_json(result, "scan.nii.gz", "trustseg segment")
    del report["structures"][0][field]
    assert not valid(report)


def test_the_figures_of_a_structure_arrive_unchanged(result):
    front, back, missing = report_json(result, "scan.nii.gz", "trustseg segment")["structures"]
    assert front == {
        "label": 1,
        "name": "Front",
        "volume_ml": pytest.approx(5 * 4 * 6 * 3.0 / 1000),
        "volume_interval_ml": None,
        "mean_uncertainty": pytest.approx(0.3),
        "expected_dsc": None,
        "flag": None,
    }
    assert back["label"] == 2
    assert (missing["volume_ml"], missing["mean_uncertainty"]) == (0.0, None)


def test_each_map_says_its_unit_and_file(result):
    maps = report_json(result, "scan.nii.gz", "trustseg segment")["maps"]
    assert [(entry["name"], entry["unit"], entry["file"]) for entry in maps] == [
        ("error_probability", "probability", "uncertainty.nii.gz"),
        ("entropy", "nat", "uncertainty_entropy.nii.gz"),
    ]


def test_the_command_stands_in_the_provenance_beside_what_the_pass_says(result):
    provenance = report_json(result, "scan.nii.gz", "trustseg segment scan.nii.gz")["provenance"]
    assert provenance["command"] == "trustseg segment scan.nii.gz"
    assert provenance["times"] == {"predict": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan")])
def test_a_number_that_json_does_not_have_becomes_null(result, value):
    odd = dataclasses.replace(result, calibration={"temperature": value})
    assert report_json(odd, "scan.nii.gz", "trustseg segment")["calibration"] == {"temperature": None}


def test_a_value_that_json_does_not_have_is_not_written_as_some_text(result):
    with pytest.raises(TypeError, match="object"):
        report_json(
            dataclasses.replace(result, calibration={"fit": object()}), "scan.nii.gz", "trustseg segment"
        )


def test_the_written_file_holds_the_report(result, tmp_path):
    report = write_report(
        result, tmp_path / "report.json", image_path="scan.nii.gz", command="trustseg segment"
    )
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == report
    assert report == report_json(result, "scan.nii.gz", "trustseg segment")


def test_names_of_any_script_can_be_read_in_the_file(result, tmp_path):
    write_report(result, tmp_path / "report.json", image_path="é 日本.nii.gz", command="trustseg segment")
    assert "é 日本.nii.gz" in (tmp_path / "report.json").read_bytes().decode("utf-8")


def test_a_file_name_that_is_no_text_survives(result, tmp_path):
    name = os.fsdecode(b"scan\xff.nii.gz")
    write_report(result, tmp_path / "report.json", image_path=name, command="trustseg segment")
    assert json.loads((tmp_path / "report.json").read_bytes())["image"] == name


def test_a_report_that_cannot_be_written_is_an_error_of_one_line(result, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / "report.json"
    with pytest.raises(OutputError, match=r"report\.json: cannot be written"):
        write_report(result, path, image_path="scan.nii.gz", command="trustseg segment")


def test_a_report_that_fails_half_way_leaves_nothing_and_keeps_the_old_one(result, tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        write_report(result, path, image_path="scan.nii.gz", command="trustseg segment")
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "old"
