"""The scene changes under the panel: it is closed, loaded, or loses the image that is being segmented."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import (
    ERROR_MAP,
    PANEL,
    large_image,
    load_image,
    node_names,
    results,
    segment,
    start,
    wait_for_end,
    wait_until,
)


def table(panel) -> list[str]:
    widget = panel.ui.resultsTable
    return [widget.item(row, column).text() for row in range(widget.rowCount) for column in range(3)]


@pytest.mark.usefixtures("crops_only")
def test_closing_the_scene_during_a_run_stops_it(panel, scene, dialogs):
    panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    start(panel)
    scene.Clear(0)
    before = node_names()
    assert panel.ui.resultsSection.isHidden()
    assert not panel.ui.segmentButton.enabled, "a second press would change nothing"
    wait_until(lambda: not panel.widget.session.busy)
    wait_for_end(panel)
    assert node_names() == before
    assert dialogs.shown == []
    assert not panel.ui.segmentButton.enabled
    again = load_image()
    assert panel.ui.inputSelector.currentNode() is again
    segment(panel)
    assert results(again) is not None
    panel.press("U")
    assert not panel.ui.showOverlayCheckBox.checked


def test_closing_the_scene_while_placing_drops_the_result(panel, scene, dialogs, small_pieces):
    panel.ui.segmentButton.click()
    wait_until(lambda: panel.widget.session.placing)
    scene.Clear(0)
    before = node_names()
    wait_for_end(panel)
    assert node_names() == before
    assert panel.ui.resultsSection.isHidden()
    assert dialogs.shown == []
    again = load_image()
    segment(panel)
    assert results(again) is not None


def test_closing_the_scene_clears_the_panel(panel, scene):
    segment(panel)
    for _ in range(2):
        scene.Clear(0)
        assert panel.ui.overlaySection.isHidden()
        assert panel.ui.resultsSection.isHidden()
        panel.press("U")
        image = load_image()
        segment(panel)
        assert not panel.ui.resultsSection.isHidden()
        assert results(image) is not None


def test_result_of_a_removed_image_is_dropped(panel, image, scene, dialogs):
    panel.ui.segmentButton.click()
    scene.RemoveNode(image)
    before = node_names()
    wait_for_end_of(panel)
    assert node_names() == before
    assert dialogs.shown == []
    assert not panel.ui.segmentButton.enabled
    load_image()
    segment(panel)


def test_result_of_a_replaced_image_is_dropped(panel, image, dialogs):
    panel.ui.segmentButton.click()
    slicer.util.updateVolumeFromArray(image, np.zeros((4, 5, 6), np.int16))
    wait_for_end_of(panel)
    assert results(image) is None
    assert "removed or replaced" in panel.ui.statusLabel.text
    assert dialogs.shown == []


def wait_for_end_of(panel) -> None:
    wait_for_end(panel)
    assert panel.ui.progressBar.isHidden()


def change_settings(panel) -> None:
    ui = panel.ui
    ui.thresholdSlider.setValue(20)
    ui.opacitySlider.setValue(70)
    ui.colorMapSelector.setCurrentIndex(ui.colorMapSelector.findData("Cividis"))
    ui.outlineCheckBox.click()
    ui.allMapsCheckBox.click()


def check_settings(panel) -> None:
    ui = panel.ui
    assert ui.thresholdSlider.value == pytest.approx(20)
    assert ui.opacitySlider.value == pytest.approx(70)
    assert ui.colorMapSelector.itemData(ui.colorMapSelector.currentIndex) == "Cividis"
    assert not ui.outlineCheckBox.checked
    assert ui.allMapsCheckBox.checked
    assert ui.showOverlayCheckBox.checked
    assert not ui.overlaySection.isHidden()


def test_loaded_scene_restores_the_panel(panel, image, application, tmp_path):
    segment(panel)
    change_settings(panel)
    rows = table(panel)
    application.save_scene(tmp_path / "case.mrb")
    panel.widget.parameters.opacity = 0.1
    application.load_scene(tmp_path / "case.mrb")
    loaded = panel.ui.inputSelector.currentNode()
    assert loaded is not image
    assert loaded.GetName() == image.GetName()
    assert table(panel) == rows
    check_settings(panel)
    panel.press("U")
    assert application.slice_view("Red").composite.GetForegroundVolumeID() is None
    panel.press("U")
    nodes = results(loaded)
    segment(panel)
    assert results(loaded).segmentation is nodes.segmentation
    check_settings(panel)


def test_panel_opened_later_shows_the_result(panel, image, shared_worker, tmp_path):
    from qt_stand_ins.panel import open_panel

    segment(panel)
    change_settings(panel)
    rows = table(panel)
    panel.widget.cleanup()
    with open_panel(PANEL) as later:
        assert table(later) == rows
        check_settings(later)
        later.press("U")
        assert not later.ui.showOverlayCheckBox.checked


def test_loaded_scene_with_two_images_shows_the_chosen_one(panel, image, application, tmp_path):
    other = load_image(name="second")
    panel.ui.inputSelector.setCurrentNode(other)
    segment(panel)
    application.save_scene(tmp_path / "case.mrb")
    application.load_scene(tmp_path / "case.mrb")
    assert panel.ui.inputSelector.currentNode().GetName() == "second"
    assert results(panel.ui.inputSelector.currentNode()).maps.keys() == {ERROR_MAP}
    assert not panel.ui.resultsSection.isHidden()


def test_settings_stay_connected_after_closing_the_scene(panel, scene):
    """VTK would call the observer of what was dropped."""
    settings = panel.widget.parameters
    for wanted in (True, False):
        scene.Clear(0)
        assert panel.widget.parameters is settings
        load_image()
        settings.allMaps = not wanted
        panel.ui.allMapsCheckBox.click()
        assert settings.allMaps is wanted


def test_settings_are_disconnected_from_a_closed_panel(panel):
    settings, box = panel.widget.parameters, panel.ui.allMapsCheckBox
    panel.widget.cleanup()
    settings.allMaps = True
    assert not box.checked
    box.click()
    box.click()
    assert settings.allMaps
