"""The worklist of a batch: what needs a person comes first, and what was reviewed last."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from TrustSegLib.contract import CaseRow
from TrustSegLib.report import report_json
from TrustSegLib.report.batch_tables import case_row, worst_first
from TrustSegLib.report.worklist import worklist_page, write_worklist


@pytest.fixture
def report(result):
    """Makes the report of an image, with other values of its case and of its first structure."""

    def make(image: str, quality: float = 0.9, warnings: tuple[str, ...] = (), **first: Any) -> dict:
        content = json.loads(json.dumps(report_json(result, image, "trustseg")))
        content["case"].update(quality=quality, warnings=list(warnings))
        content["structures"][0].update(first)
        return content

    return make


def page(folder: Path, reports: list[dict], *failed: CaseRow) -> str:
    cases = [case_row(each, folder / Path(each["image"]).stem) for each in reports]
    return worklist_page(folder, worst_first([*cases, *failed]), reports)


def names(text: str) -> list[str]:
    return [html.unescape(re.sub("<.*?>", "", title)) for title in re.findall(r"<h2>(.*?)</h2>", text)]


def test_failed_then_flagged_then_unlike_then_by_expected_dsc(tmp_path, report):
    reports = [
        report("fine.nii", 0.95),
        report("worse.nii", 0.85),
        report("unlike.nii", 0.99, warnings=("unlike what this model was trained on",)),
        report("cut.nii", 0.97, flag="reaches the image's border"),
    ]
    text = page(tmp_path, reports, CaseRow("damaged.nii", error="damaged.nii: truncated; copy it again"))
    assert names(text) == ["damaged.nii", "cut.nii", "unlike.nii", "worse.nii", "fine.nii"]
    assert (
        "5 images: 1 not segmented, 1 to check first, 1 to check as the image differs, 2 in which nothing "
        "stands out. Reviewed: 0."
    ) in text
    assert "damaged.nii: truncated; copy it again" in text


def test_case_links_to_its_page_and_shows_its_figures(tmp_path, report):
    one = report("scan 1.nii", volume_ml=2.5, volume_interval_ml=[2.0, 3.0], expected_dsc=0.91)
    text = page(tmp_path, [one])
    assert 'href="scan%201/report.html"' in text
    assert 'src="scan%201/overlay.png"' in text
    assert "<td>2.50 (2.00\N{EN DASH}3.00)</td><td>0.91</td>" in text


def test_reviewed_case_comes_last_even_if_it_was_flagged(tmp_path, report):
    reports = [report("flagged.nii", flag="it fails"), report("other.nii")]
    decide_all(tmp_path / "flagged", reports[0])
    text = page(tmp_path, reports)
    assert names(text) == ["other.nii", "flagged.nii"]
    assert "Reviewed: 1." in text


def test_review_that_is_not_complete_is_counted_and_the_case_stays_in_its_place(tmp_path, report):
    reports = [report("flagged.nii", flag="it fails"), report("other.nii")]
    decide_all(tmp_path / "flagged", reports[0], leave_out=1)
    text = page(tmp_path, reports)
    assert names(text) == ["flagged.nii", "other.nii"]
    asked = len(reports[0]["structures"]) + len(reports[0]["regions"])
    assert f"{asked - 1} of {asked} structures and regions decided" in text


def test_review_of_another_result_does_not_count(tmp_path, report):
    decide_all(tmp_path / "scan", report("scan.nii", volume_ml=7.0))
    assert "Reviewed: 0." in page(tmp_path, [report("scan.nii")])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"review": {}}', '{"review": {"schema": "mine/1"}}'])
def test_file_of_another_program_is_no_review(tmp_path, report, content):
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan" / "review.json").write_text(content)
    assert "Reviewed: 0." in page(tmp_path, [report("scan.nii")])


def decide_all(folder: Path, content: dict, leave_out: int = 0) -> None:
    keys = [f"structure {row['label']}" for row in content["structures"]]
    keys += [f"region {region['rank']}" for region in content["regions"]]
    items = {key: {"decision": "accepted"} for key in keys[leave_out:]}
    review = {"schema": "trustseg-review/1", "items": items}
    folder.mkdir()
    (folder / "review.json").write_text(json.dumps({**content, "review": review}))


def test_text_of_an_image_or_a_warning_is_no_markup_and_no_script_runs(tmp_path, report):
    text = page(tmp_path, [report("<b>.nii", warnings=("<script>alert(1)</script>",))])
    assert "<script>" not in text
    assert "&lt;b&gt;.nii" in text
    assert "default-src 'none'" in text


def test_page_is_written_beside_the_tables(tmp_path, report):
    one = report("scan.nii")
    write_worklist(tmp_path, [case_row(one, tmp_path / "scan")], [one])
    assert (tmp_path / "index.html").read_text("utf-8") == page(tmp_path, [one])
