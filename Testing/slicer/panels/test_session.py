"""Runs of the panel: canceled, refused, or ended with the panel or Slicer; nothing is left behind."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import (
    PANEL,
    large_image,
    mask,
    node_names,
    results,
    segment,
    start,
    wait_for_end,
    wait_until,
)
from worker_processes import eventually, runs


@pytest.fixture
def fresh_panel(image):
    """A panel with a worker of its own, which is still starting."""
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as opened:
        yield opened


def worker_of(panel):
    return panel.widget.session._runner.worker


@pytest.mark.usefixtures("crops_only")
def test_cancel_stops_the_run_and_leaves_nothing(panel, image):
    panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    before = node_names()
    start(panel)
    panel.ui.segmentButton.click()
    assert panel.ui.statusLabel.text == "Stopping..."
    assert not panel.ui.segmentButton.enabled
    wait_for_end(panel)
    assert node_names() == before
    assert panel.ui.statusLabel.text == "Stopped: the scene is as it was."
    assert panel.ui.segmentButton.enabled
    assert panel.ui.inputSection.enabled
    assert panel.ui.progressBar.isHidden()
    panel.ui.inputSelector.setCurrentNode(image)
    segment(panel)


def test_cancel_stops_a_run_whose_worker_is_starting(fresh_panel, image):
    before = node_names()
    fresh_panel.ui.segmentButton.click()
    assert fresh_panel.ui.segmentButton.text == "Cancel"
    fresh_panel.ui.segmentButton.click()
    wait_for_end(fresh_panel)
    assert fresh_panel.ui.statusLabel.text.startswith("Stopped")
    assert node_names() == before
    segment(fresh_panel)
    assert results(image) is not None


@pytest.mark.usefixtures("crops_only")
def test_worker_and_its_folder_end_with_slicer(fresh_panel, slicer_application):
    fresh_panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    start(fresh_panel)
    pid, folder = worker_of(fresh_panel).pid, worker_of(fresh_panel).folder
    assert runs(pid)
    assert folder.is_dir()
    slicer_application.aboutToQuit.emit()
    assert eventually(lambda: not runs(pid))
    assert not folder.exists()
    assert not fresh_panel.widget.session.busy


def test_worker_and_its_folder_end_with_the_panel(image):
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as panel:
        panel.ui.segmentButton.click()
        pid, folder = worker_of(panel).pid, worker_of(panel).folder
    assert eventually(lambda: not runs(pid))
    assert not folder.exists()


def test_run_continues_while_another_module_is_open(panel, image):
    panel.ui.segmentButton.click()
    panel.widget.exit()
    panel.widget.enter()
    assert panel.ui.segmentButton.text == "Cancel"
    assert panel.widget.session._timer.interval == 50, "the result would come late"
    wait_for_end(panel)
    assert results(image) is not None


@pytest.mark.usefixtures("crops_only")
def test_second_press_on_cancel_is_ignored(panel):
    panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    start(panel)
    panel.ui.segmentButton.click()
    panel.ui.segmentButton.click()
    wait_until(lambda: not panel.widget.session.busy)
    assert panel.ui.statusLabel.text.startswith("Stopped")


def test_cancel_while_placing_leaves_the_scene_unchanged(panel, image, small_pieces):
    before = node_names()
    panel.ui.segmentButton.click()
    wait_until(lambda: panel.widget.session.placing)
    assert panel.widget.session._timer.interval < 50, "a large result would come late"
    assert panel.ui.segmentButton.text == "Cancel"
    panel.ui.segmentButton.click()
    assert panel.ui.statusLabel.text == "Stopping..."
    wait_for_end(panel)
    assert node_names() == before
    assert panel.ui.statusLabel.text == "Stopped: the scene is as it was."
    assert panel.ui.inputSection.enabled
    assert panel.widget.session._timer.interval == 500
    segment(panel)
    assert results(image) is not None


def test_closing_the_panel_while_placing_drops_the_result(image, shared_worker, small_pieces):
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as panel:
        panel.ui.segmentButton.click()
        wait_until(lambda: panel.widget.session.placing)
        session = panel.widget.session
    assert not session.busy
    assert results(image) is None


def refused(panel, dialogs) -> str:
    """Click Segment, which must fail; return what was said."""
    before = node_names()
    dialogs.answer("Ok")
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    (box,) = dialogs.shown
    assert (box.icon, box.title) == ("Critical", "TrustSeg")
    assert "\n" not in box.text
    assert panel.ui.statusLabel.text == box.text
    assert node_names() == before
    assert panel.ui.segmentButton.enabled
    assert panel.ui.inputSection.enabled
    return box.text


@pytest.mark.usefixtures("crops_only")
def test_killed_worker_is_reported_and_replaced(panel, image, shared_worker, dialogs):
    panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    before = node_names()
    start(panel)
    dialogs.answer("Ok", to="SIGKILL")
    os.kill(shared_worker.pid, signal.SIGKILL)
    wait_for_end(panel)
    (box,) = dialogs.shown
    assert box.icon == "Critical"
    assert "\n" not in box.text
    assert node_names() == before
    panel.ui.inputSelector.setCurrentNode(image)
    segment(panel)
    assert results(image) is not None


def test_death_of_an_idle_worker_is_reported_without_a_dialog(panel, image, shared_worker, dialogs):
    panel.widget.session.poll()
    os.kill(shared_worker.pid, signal.SIGKILL)
    wait_until(lambda: "SIGKILL" in panel.ui.statusLabel.text)
    assert dialogs.shown == []
    assert panel.ui.segmentButton.enabled


def test_end_of_a_worker_is_reported_after_its_last_log_lines(panel, image, shared_worker):
    """Its log comes first, its end with the next look: there has to be one."""
    wait_until(lambda: shared_worker._session.connection.was_ready)
    session = panel.widget.session
    session._timer.stop()
    process = shared_worker._session.connection.process
    os.kill(shared_worker.pid, signal.SIGKILL)
    wait_until(lambda: process.exit_code() is not None)
    said = iter([b"last words\n"])
    process.read_log = lambda: next(said, b"")
    session._timer.start(1)
    wait_until(lambda: "SIGKILL" in panel.ui.statusLabel.text)


def change_voxels(image, change) -> None:
    voxels = slicer.util.arrayFromVolume(image).astype(np.float32)
    slicer.util.updateVolumeFromArray(image, change(voxels))


def with_nan(voxels: np.ndarray) -> np.ndarray:
    voxels[3, 4, 5] = np.nan
    return voxels


def test_image_with_nan_is_refused(panel, image, dialogs):
    change_voxels(image, with_nan)
    assert "NaN" in refused(panel, dialogs)


def test_image_of_zeros_is_refused(panel, image, dialogs):
    change_voxels(image, np.zeros_like)
    assert "nearly all voxels are 0" in refused(panel, dialogs)


def test_volume_without_voxels_is_refused(panel, scene, dialogs):
    panel.ui.inputSelector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hollow"))
    assert refused(panel, dialogs) == "'hollow' holds no image; load it or choose another volume"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            0,
            "no model fits this image, so nothing was segmented (hippocampus-t1 takes 1 channel, the image",
        ),
        (1, "'photo' has 3 components, the model takes 1"),
    ],
    ids=["auto", "named"],
)
def test_color_image_is_refused(panel, scene, dialogs, model, reason):
    panel.ui.modelSelector.setCurrentIndex(model)
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    slicer.util.updateVolumeFromArray(node, np.zeros((4, 5, 6, 3), np.uint8))
    panel.ui.inputSelector.setCurrentNode(node)
    assert refused(panel, dialogs).startswith(reason)


def region(scene, center: tuple[float, float, float], size: float):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    node.SetCenter(*center)
    node.SetSize(size, size, size)
    return node


def test_region_outside_the_image_is_refused(panel, scene, dialogs):
    panel.ui.regionSelector.setCurrentNode(region(scene, (900.0, 0.0, 0.0), 10.0))
    assert refused(panel, dialogs).startswith("'box' lies outside")


def test_new_region_is_placed_around_the_image(panel, image, scene):
    from TrustSegModule.scene.inputs import roi_text

    new = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "new")
    panel.ui.regionSelector.setCurrentNode(new)
    bounds = np.zeros(6)
    image.GetRASBounds(bounds)
    placed = [float(number) for number in roi_text(new, image).split(",")]
    np.testing.assert_allclose(placed, bounds, atol=1e-3)
    new.SetSize(10, 10, 10)
    panel.ui.allMapsCheckBox.click()
    assert new.GetSize()[0] == 10, "a region that the user has drawn is moved"


def test_mask_is_limited_to_the_region(panel, image, scene):
    segment(panel)
    whole = mask(results(image).segmentation).copy()
    panel.ui.regionSelector.setCurrentNode(region(scene, (18.0, 27.0, 19.0), 20.0))
    segment(panel)
    part = mask(results(image).segmentation)
    assert 0 < np.count_nonzero(part) < np.count_nonzero(whole)
    outside = np.ones(part.shape, bool)
    outside[8:29, 16:37, 7:28] = False
    assert not part[outside].any()


def test_failed_run_keeps_the_earlier_result(panel, image, dialogs):
    segment(panel)
    before = mask(results(image).segmentation).copy()
    change_voxels(image, with_nan)
    refused(panel, dialogs)
    np.testing.assert_array_equal(mask(results(image).segmentation), before)
    assert not panel.ui.resultsSection.isHidden()


def test_empty_mask_is_shown_as_zero_volumes(panel, image, scene, application):
    """What shows no hippocampus has rows of 0 ml, and no number for their uncertainty."""
    view = application.slice_view("Red")
    view.jump_to((1.0, 2.0, 3.0))
    panel.ui.regionSelector.setCurrentNode(region(scene, (3.0, 3.0, 3.0), 4.0))
    segment(panel)
    widget = panel.ui.resultsTable
    rows = [[widget.item(row, column).text() for column in range(3)] for row in range(widget.rowCount)]
    assert rows == [["Anterior hippocampus", "0.00", "–"], ["Posterior hippocampus", "0.00", "–"]]  # noqa: RUF001
    assert view.node.GetSliceOffset() == 3.0
    panel.ui.show3DCheckBox.click()
    panel.ui.color3DCheckBox.click()


def test_failed_warm_up_does_not_end_a_run(panel, image):
    """The process complains of what nobody asked for while it segments."""
    from TrustSegLib.worker import Failed

    panel.ui.segmentButton.click()
    panel.widget.session._handle(Failed(None, "input", "the model cannot be loaded ahead"))
    assert panel.ui.segmentButton.text == "Cancel"
    wait_for_end(panel)
    assert results(image) is not None
