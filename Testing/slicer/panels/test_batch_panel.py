"""The section "Batch" with a real worker: the worst case is on top, and opens for review."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from batch_runs import names_in_order, open_case, start, wait_for_end
from batch_samples import (
    BROKEN,
    NAMES,
    csv_rows,
    leftovers,
    make_folder,
    read_cases,
    voxels,
)
from panel_runs import ERROR_MAP, PANEL, large_image, mask, node_names, wait_until
from review_runs import cells, click_row, double_click_row
from worker_processes import eventually, runs

pytestmark = pytest.mark.usefixtures("slicer_application", "scene", "shared_worker")
FILES = ["mask.nii.gz", "overlay.png", "report.html", "report.json", "uncertainty.nii.gz"]
TABLES = ["cases.csv", "cases.json", "index.html", "structures.csv"]


@pytest.fixture
def batch_panel():
    """The panel, opened in an empty scene."""
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as opened:
        yield opened


@pytest.fixture(scope="module")
def done(slicer_application, tmp_path_factory):
    """Folders of the images and of the results of a batch that the command line has done."""
    import subprocess
    import sys

    from source_tree import ROOT

    base = tmp_path_factory.mktemp("batch é")
    images, output = make_folder(base / "images"), base / "results"
    command = [sys.executable, "-m", "TrustSegLib", "segment", str(images), "-o", str(output), "--quiet"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 2
    return images, output


def test_batch_equals_the_command_line(batch_panel, done, tmp_path):
    images, by_command = done
    output = tmp_path / "results"
    start(batch_panel, images, output)
    wait_for_end(batch_panel)
    ui = batch_panel.ui
    assert sorted(os.listdir(output)) == sorted([*TABLES, "a", "c"])
    assert sorted(os.listdir(output / "a")) == FILES
    assert not leftovers(output)
    for name in ("a", "c"):
        np.testing.assert_array_equal(
            voxels(output / name / "mask.nii.gz"), voxels(by_command / name / "mask.nii.gz")
        )
    expected = [Path(case["image"]).name for case in read_cases(by_command)]
    assert [Path(case["image"]).name for case in read_cases(output)] == expected
    assert names_in_order(batch_panel) == expected
    assert expected[0] == BROKEN
    (first, *_others) = cells(ui.batchTable)
    assert first[1] == "failed"
    assert "b.nrrd" in first[0]
    assert len(first[0].split("\n")) == 2, "the reason is missing, or not in one line"
    assert ui.batchLabel.text.startswith("3 images, 1 failed.")
    assert ui.batchButton.text == "Start batch"
    assert ui.batchProgressBar.isHidden()
    qualities = [float(row["quality"]) for row in csv_rows(output / "cases.csv")[1:]]
    assert qualities == sorted(qualities)
    assert [row[1] for row in cells(ui.batchTable)[1:]] == [f"{quality:.2f}" for quality in qualities]


def test_progress_is_shown_during_a_batch(batch_panel, tmp_path):
    start(batch_panel, make_folder(tmp_path / "images"), tmp_path / "results")
    ui, texts, progress = batch_panel.ui, [], []
    assert not ui.segmentButton.enabled
    assert ui.statusLabel.text.startswith("A batch is running")
    while batch_panel.widget.batch.busy:
        slicer.app.processEvents()
        texts.append(ui.batchLabel.text)
        if not ui.batchProgressBar.isHidden():
            progress.append(ui.batchProgressBar.value)
    assert any(text.startswith("Image 1 of 3: a.nii.gz") for text in texts)
    assert any(re.search(r"about \d+ (s|min) left$", text) for text in texts)
    assert progress == sorted(progress)


def test_cases_of_an_earlier_batch_are_listed(batch_panel, done):
    batch_panel.ui.batchOutputEdit.currentPath = str(done[1])
    assert sorted(names_in_order(batch_panel)) == sorted(NAMES)
    assert not batch_panel.ui.batchOpenButton.enabled
    click_row(batch_panel.ui.batchTable, 0)
    assert not batch_panel.ui.batchOpenButton.enabled, "a case that failed has nothing to open"
    click_row(batch_panel.ui.batchTable, 1)
    assert batch_panel.ui.batchOpenButton.enabled


def test_opened_case_equals_the_files_on_disk(batch_panel, done, application):
    from TrustSegModule.review import audit_log

    images, output = done
    batch_panel.ui.batchOutputEdit.currentPath = str(output)
    image, nodes = open_case(batch_panel, "c.nii.gz")
    assert image.GetName() == "c"
    np.testing.assert_array_equal(mask(nodes.segmentation), voxels(output / "c" / "mask.nii.gz"))
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(nodes.maps[ERROR_MAP]), voxels(output / "c" / "uncertainty.nii.gz")
    )
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(image), voxels(images / "c.nii.gz"))
    loaded = slicer.util.loadVolume(str(images / "c.nii.gz"))
    for corner in ((0, 0, 0, 1), (5, 7, 3, 1)):
        np.testing.assert_allclose(to_ras(image, corner), to_ras(loaded, corner), atol=1e-3)
    segments = nodes.segmentation.GetSegmentation()
    names = [segments.GetNthSegment(number).GetName() for number in range(segments.GetNumberOfSegments())]
    assert names == ["Anterior hippocampus", "Posterior hippocampus"]
    composite = application.slice_view("Red").composite
    assert composite.GetBackgroundVolumeID() == image.GetID()
    assert composite.GetForegroundVolumeID() == nodes.maps[ERROR_MAP].GetID()
    ui = batch_panel.ui
    assert not ui.resultsSection.isHidden()
    assert not ui.reviewSection.isHidden()
    assert ui.inputSelector.currentNode() is image
    assert "Opened c.nii.gz" in ui.statusLabel.text
    actions = [line["action"] for line in audit_log.entries(nodes.segmentation)]
    assert actions == ["segmented", "show", "reveal"]


def test_opened_case_is_concealed_before_the_first_look(batch_panel, done, application):
    batch_panel.widget.parameters.revealLater = True
    batch_panel.ui.batchOutputEdit.currentPath = str(done[1])
    image, _nodes = open_case(batch_panel, "c.nii.gz")
    composite = application.slice_view("Red").composite
    assert composite.GetBackgroundVolumeID() == image.GetID()
    assert composite.GetForegroundVolumeID() is None
    assert not batch_panel.ui.revealBox.isHidden()


@pytest.mark.usefixtures("crops_only")
def test_batch_is_refused_while_an_image_is_segmented(batch_panel, tmp_path, done):
    batch_panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    batch_panel.ui.segmentButton.click()
    start(batch_panel, done[0], tmp_path / "results")
    assert not batch_panel.widget.batch.busy
    assert batch_panel.ui.batchLabel.text.startswith("An image is being segmented")
    assert batch_panel.ui.segmentButton.text == "Cancel"


def to_ras(node, index) -> np.ndarray:
    from TrustSegModule.scene.geometry import ijk_to_ras

    return ijk_to_ras(node) @ index


def test_opening_a_case_again_keeps_its_review(batch_panel, done):
    from TrustSegModule.review.decisions import ACCEPTED, STRUCTURE, Item, Review

    batch_panel.ui.batchOutputEdit.currentPath = str(done[1])
    image, nodes = open_case(batch_panel, "a.nii.gz")
    Review(nodes.segmentation).decide(Item(STRUCTURE, 1), ACCEPTED)
    other, _nodes = open_case(batch_panel, "c.nii.gz")
    assert other is not image
    before = node_names()
    again, nodes = open_case(batch_panel, "a.nii.gz")
    assert again is image
    assert node_names() == before
    assert Review(nodes.segmentation).decision(Item(STRUCTURE, 1)) == ACCEPTED


def test_case_of_a_missing_model_is_refused(batch_panel, done, tmp_path, dialogs):
    import json
    import shutil

    output = tmp_path / "results"
    shutil.copytree(done[1], output)
    cases = json.loads((output / "cases.json").read_text("utf-8"))
    for case in cases["cases"]:
        case["folder"] = case["folder"] and str(output / Path(case["folder"]).name)
    (output / "cases.json").write_text(json.dumps(cases), "utf-8")
    report = json.loads((output / "a" / "report.json").read_text("utf-8"))
    report["model"]["version"] = "99.0"
    (output / "a" / "report.json").write_text(json.dumps(report), "utf-8")
    batch_panel.ui.batchOutputEdit.currentPath = str(output)
    dialogs.answer("Ok", to="hippocampus-t1 99.0, which is not installed")
    before = node_names()
    double_click_row(batch_panel.ui.batchTable, names_in_order(batch_panel).index("a.nii.gz"))
    assert node_names() == before


@pytest.mark.usefixtures("crops_only")
def test_cancel_stops_the_batch_and_keeps_finished_results(batch_panel, tmp_path):
    images, output = make_folder(tmp_path / "images", broken="a.nii.gz", repeats=3), tmp_path / "results"
    start(batch_panel, images, output)
    ui = batch_panel.ui
    wait_until(lambda: ui.batchTable.rowCount == 1 and ui.batchLabel.text.startswith("Image 2"))
    wait_until(lambda: ui.batchProgressBar.value > 20)
    ui.batchButton.click()
    assert ui.batchLabel.text == "Stopping..."
    assert not ui.batchButton.enabled
    wait_for_end(batch_panel)
    assert ui.batchLabel.text == "Stopped after 1 of 3 images; the results of these stay."
    assert names_in_order(batch_panel) == ["a.nii.gz"]
    assert sorted(os.listdir(output)) == TABLES
    assert [Path(case["image"]).name for case in read_cases(output)] == ["a.nii.gz"]
    assert ui.batchButton.enabled
    assert ui.batchButton.text == "Start batch"
    assert "batch" not in ui.statusLabel.text


@pytest.mark.usefixtures("crops_only")
def test_crash_in_one_image_does_not_stop_the_others(batch_panel, tmp_path, shared_worker):
    images = make_folder(tmp_path / "images", broken=None, repeats=3, repeated=("b.nrrd",))
    output = tmp_path / "results"
    start(batch_panel, images, output)
    batch = batch_panel.widget.batch._batch
    wait_until(lambda: batch.progress.number == 2 and batch._fraction > 0)
    os.kill(shared_worker.pid, signal.SIGKILL)
    wait_for_end(batch_panel)
    first, *others = read_cases(output)
    assert Path(first["image"]).name == "b.nrrd"
    assert "SIGKILL" in first["error"]
    assert [case["error"] for case in others] == [None, None]
    assert not leftovers(output)


def test_folder_without_images_is_refused(batch_panel, tmp_path, dialogs):
    (tmp_path / "images").mkdir()
    dialogs.answer("Ok", to="holds no images")
    start(batch_panel, tmp_path / "images", tmp_path / "results")
    wait_for_end(batch_panel)
    assert "holds no images" in batch_panel.ui.batchLabel.text
    assert not (tmp_path / "results").exists()


def test_foreign_file_is_not_overwritten(batch_panel, tmp_path, dialogs):
    output = tmp_path / "results"
    (output / "a").mkdir(parents=True)
    (output / "a" / "mask.nii.gz").write_text("mine")
    dialogs.answer("Ok", to="was not written by trustseg; choose another output folder")
    start(batch_panel, make_folder(tmp_path / "images"), output)
    wait_for_end(batch_panel)
    assert (output / "a" / "mask.nii.gz").read_text() == "mine"


@pytest.mark.usefixtures("crops_only")
def test_batch_ends_with_slicer_and_leaves_nothing(tmp_path, slicer_application, monkeypatch):
    from qt_stand_ins.panel import open_panel

    from TrustSegLib.worker import Worker
    from TrustSegModule.jobs import worker
    from TrustSegModule.panels import session

    monkeypatch.setattr(session, "make_worker", lambda: Worker(worker.python_executable()))
    output = tmp_path / "results"
    with open_panel(PANEL) as panel:
        start(panel, make_folder(tmp_path / "images", broken=None, repeats=3), output)
        wait_until(lambda: panel.ui.batchProgressBar.value > 5)
        pid = panel.widget.session._runner.worker.pid
        assert runs(pid)
        slicer_application.aboutToQuit.emit()
        assert eventually(lambda: not runs(pid))
    assert not output.exists()


def test_button_explains_what_is_missing(batch_panel, tmp_path):
    ui = batch_panel.ui
    assert not ui.batchButton.enabled
    assert "Choose a folder" in ui.batchButton.toolTip
    assert ui.batchTable.isHidden()
    assert ui.batchOpenButton.isHidden()
    assert ui.batchSection.collapsed
