"""The review as files, read back, and errors that name the file."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import PANEL
from review_samples import erase, put_calibrated, type_text
from scene_samples import sample_result


@pytest.fixture
def opened(image, shared_worker, dialogs, monkeypatch, tmp_path):
    from qt_stand_ins.panel import open_panel

    from TrustSegModule.app import host

    # A dialog of the operating system: it cannot be had here.
    monkeypatch.setattr(host, "choose_folder", lambda title: str(tmp_path / "Bericht ä"))
    nodes = put_calibrated(image)
    with open_panel(PANEL) as panel:
        yield SimpleNamespace(panel=panel, ui=panel.ui, nodes=nodes, folder=tmp_path / "Bericht ä")


def test_exported_files_hold_the_review(opened):
    from TrustSegModule.results.nodes import report_of
    from TrustSegModule.review import audit_log

    opened.folder.mkdir()
    opened.ui.nextButton.click()
    opened.ui.acceptButton.click()
    erase(opened.nodes.segmentation, "Segment_1")
    opened.panel.widget.reviewPanel.look_for_edits()
    opened.ui.exportButton.click()
    written = json.loads((opened.folder / "review.json").read_text("utf-8"))
    review, node = written.pop("review"), opened.nodes.segmentation
    assert written == report_of(node)
    assert review["items"]["region 1"]["decision"] == "accepted"
    assert review["items"]["structure 1"]["decision"] == "edited"
    assert 0 < review["edited_volumes_ml"]["1"] < report_of(node)["structures"][0]["volume_ml"]
    assert review["log"] == audit_log.entries(node)
    assert [line["action"] for line in review["log"]][-2:] == ["accept", "edit"]
    with open(opened.folder / "audit_log.csv", encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == review["log"]
    assert opened.ui.exportLabel.text.startswith("Written: review.json, audit_log.csv")


def test_unwritable_folder_is_reported(opened, dialogs):
    slicer.app.testing = False
    dialogs.answer("Ok", to="review.json: cannot be written")
    opened.ui.exportButton.click()
    assert opened.ui.exportLabel.text == ""


def test_page_shows_the_edited_mask_and_the_log(opened):
    from TrustSegModule.results.export import mask_on, page_content
    from TrustSegModule.results.nodes import image_of

    node = opened.nodes.segmentation
    before = mask_on(node, image_of(node))
    np.testing.assert_array_equal(before, sample_result().labels)
    erase(node, "Segment_1")
    opened.panel.widget.reviewPanel.look_for_edits()
    after = mask_on(node, image_of(node))
    assert 0 < (after == 1).sum() < (before == 1).sum()
    np.testing.assert_array_equal(after == 2, before == 2)
    opened.folder.mkdir()
    opened.ui.nextButton.click()
    type_text(opened.ui.commentEdit, "tail of it")
    opened.ui.exportButton.click()
    page = (opened.folder / "report.html").read_text("utf-8")
    assert "tail of it" in page
    (warning,) = page_content(node)["case"]["warnings"][-1:]
    assert warning.startswith("Anterior hippocampus was edited: ")
    assert warning in page
    assert opened.ui.exportLabel.text.endswith("report.html")


def test_removed_map_is_reported(opened, dialogs, scene):
    slicer.app.testing = False
    opened.folder.mkdir()
    scene.RemoveNode(opened.nodes.maps["error_probability"])
    dialogs.answer("Ok", to="report.html is not written")
    opened.ui.exportButton.click()
    assert (opened.folder / "review.json").exists()
