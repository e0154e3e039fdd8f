"""Cancel, Slicer's exit and the end of the panel: soon, and nothing is left."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("slicer")
from panel_runs import PANEL, large_image, node_names, results, segment, start, wait_for_end, wait_until
from worker_processes import eventually, runs

SOON = 10.0
"""Seconds in which a cancelled run must have ended, also on a machine that does much else."""


@pytest.fixture
def fresh_panel(image):
    """A panel with a worker of its own, which is still starting."""
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as opened:
        yield opened


def worker_of(panel):
    return panel.widget.session._runner.worker


def test_cancel_takes_long_or_leaves_something(panel, image):
    panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    before = node_names()
    start(panel)
    begin = time.monotonic()
    panel.ui.segmentButton.click()
    assert panel.ui.statusLabel.text == "Stopping..."
    assert not panel.ui.segmentButton.enabled
    wait_for_end(panel)
    assert time.monotonic() - begin < SOON
    assert node_names() == before
    assert panel.ui.statusLabel.text == "Stopped: the scene is as it was."
    assert panel.ui.segmentButton.enabled
    assert panel.ui.inputSection.enabled
    assert panel.ui.progressBar.isHidden()
    panel.ui.inputSelector.setCurrentNode(image)
    segment(panel)


def test_cancel_waits_for_a_worker_that_is_starting(fresh_panel, image):
    before = node_names()
    fresh_panel.ui.segmentButton.click()
    assert fresh_panel.ui.segmentButton.text == "Cancel"
    fresh_panel.ui.segmentButton.click()
    wait_for_end(fresh_panel)
    assert fresh_panel.ui.statusLabel.text.startswith("Stopped")
    assert node_names() == before
    segment(fresh_panel)
    assert results(image) is not None


def test_a_process_or_a_folder_outlives_slicer(fresh_panel, slicer_application):
    fresh_panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    start(fresh_panel)
    pid, folder = worker_of(fresh_panel).pid, worker_of(fresh_panel).folder
    assert runs(pid)
    assert folder.is_dir()
    slicer_application.aboutToQuit.emit()
    assert eventually(lambda: not runs(pid))
    assert not folder.exists()
    assert not fresh_panel.widget.session.busy


def test_a_process_or_a_folder_outlives_the_panel(image):
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as panel:
        panel.ui.segmentButton.click()
        pid, folder = worker_of(panel).pid, worker_of(panel).folder
    assert eventually(lambda: not runs(pid))
    assert not folder.exists()


def test_a_run_ends_when_another_module_is_opened(panel, image):
    panel.ui.segmentButton.click()
    panel.widget.exit()
    panel.widget.enter()
    assert panel.ui.segmentButton.text == "Cancel"
    assert panel.widget.session._timer.interval == 50, "the result would come late"
    wait_for_end(panel)
    assert results(image) is not None


def test_a_second_press_on_cancel_starts_again(panel):
    panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    start(panel)
    panel.ui.segmentButton.click()
    panel.ui.segmentButton.click()
    wait_until(lambda: not panel.widget.session.busy)
    assert panel.ui.statusLabel.text.startswith("Stopped")


def test_cancel_while_the_result_comes_into_the_scene_leaves_something(panel, image, small_pieces):
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


def test_the_panel_ends_while_the_result_comes_into_the_scene(image, shared_worker, small_pieces):
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as panel:
        panel.ui.segmentButton.click()
        wait_until(lambda: panel.widget.session.placing)
        session = panel.widget.session
    assert not session.busy
    assert results(image) is None
