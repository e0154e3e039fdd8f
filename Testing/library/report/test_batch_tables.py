"""The tables of a batch: the worst case is in the first row."""

from __future__ import annotations

import csv
import json

import pytest

from TrustSegLib.contract import CaseRow
from TrustSegLib.report import report_json
from TrustSegLib.report.batch_tables import case_row, worst_first, write_batch_tables


def test_failed_cases_come_first_then_the_lowest_quality_then_the_highest_uncertainty():
    cases = [
        CaseRow("sure", uncertainty=0.1),
        CaseRow("good", quality=0.9),
        CaseRow("unknown"),
        CaseRow("doubtful", uncertainty=0.4),
        CaseRow("bad", quality=0.3, uncertainty=0.01),
        CaseRow("failed", error="no image"),
    ]
    order = ["failed", "bad", "good", "doubtful", "sure", "unknown"]
    assert [case.image for case in worst_first(cases)] == order
    assert [case.image for case in worst_first(cases[::-1])] == order


def test_without_a_calibration_the_worst_boundary_counts_before_the_mean(result):
    report = report_json(result, "scan.nii.gz", "trustseg")
    for row in report["structures"]:
        row.pop("scores", None)
    assert case_row(report, "out").uncertainty == pytest.approx(0.3)
    for row, value in zip(report["structures"], (0.2, 0.7, 0.0), strict=True):
        row["scores"] = {"boundary_uncertainty": value}
    assert case_row(report, "out").uncertainty == 0.7


def test_tables_hold_every_image_and_structure(result, tmp_path):
    reports = [report_json(result, name, "trustseg") for name in ("a.nii", "=b, c.nii")]
    reports[1]["case"]["quality"] = 0.5
    reports[1]["structures"][0].update(volume_interval_ml=[0.1, 0.9], expected_dsc=0.5, flag="it fails")
    cases = [case_row(report, "out") for report in reports]
    write_batch_tables(tmp_path, cases, reports)
    with (tmp_path / "structures.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["'=b, c.nii"] * 3 + ["a.nii"] * 3  # Never run as a formula.
    assert (rows[0]["volume_low_ml"], rows[0]["volume_high_ml"], rows[0]["flag"]) == (
        "0.1",
        "0.9",
        "it fails",
    )
    assert rows[3]["volume_low_ml"] == ""
    content = json.loads((tmp_path / "cases.json").read_text("utf-8"))
    assert content["schema"] == "trustseg-cases/1"
    assert content["cases"][0]["flags"] == ["Front: it fails"]
    assert content["cases"][0]["image"] == "=b, c.nii"
