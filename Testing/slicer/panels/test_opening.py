"""The panel when it is opened: its descriptions and choices, and the reasons why it refuses."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import PANEL, load_image, wait_until

pytestmark = pytest.mark.usefixtures("slicer_application", "scene", "shared_worker")


@pytest.fixture
def empty_panel():
    """The panel, opened in an empty scene."""
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as opened:
        yield opened


def label_map(scene):
    return scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")


def uncertainty_map(scene):
    from TrustSegModule.scene.maps import create_map

    return create_map(scene, "error_probability", 3, "old")


def test_auto_names_the_models_to_choose_from(panel):
    text = panel.ui.modelDescription.text
    assert text.startswith("<b>hippocampus-t1:</b> ")
    assert "research use only" in text
    assert "CC BY-SA 4.0" in panel.ui.modelDescription.toolTip


def test_model_is_described(panel):
    panel.ui.modelSelector.setCurrentIndex(1)
    text = panel.ui.modelDescription.text
    assert "hippocampus in T1-weighted MR" in text
    assert "Medical Segmentation Decathlon, Task04 Hippocampus; 104 patients" in text
    assert "research use only" in text
    details = panel.ui.modelDescription.toolTip
    assert "MR, T1" in details
    assert "Anterior hippocampus, Posterior hippocampus" in details
    assert "CC BY-SA 4.0" in details


def test_image_of_the_scene_is_chosen(panel, image):
    assert panel.ui.inputSelector.currentNode() is image
    assert panel.widget.parameters.inputVolume is image
    assert panel.ui.segmentButton.enabled


@pytest.mark.parametrize("make", [label_map, uncertainty_map])
def test_masks_and_maps_cannot_be_segmented(scene, make):
    from qt_stand_ins.panel import open_panel

    other, image = make(scene), load_image()
    with open_panel(PANEL) as panel:
        assert panel.ui.inputSelector.currentNode() is image
        panel.ui.inputSelector.setCurrentNode(other)
        assert not panel.ui.segmentButton.enabled
        assert "choose the image" in panel.ui.statusLabel.text
        panel.ui.inputSelector.setCurrentNode(image)
        assert panel.ui.segmentButton.enabled
        assert panel.ui.statusLabel.text == ""


def test_image_loaded_after_a_mask_is_chosen_on_reopening(empty_panel, scene):
    label_map(scene)
    image = load_image()
    empty_panel.widget.exit()
    empty_panel.widget.enter()
    assert empty_panel.ui.inputSelector.currentNode() is image


def test_panel_explains_why_nothing_can_be_segmented(empty_panel, scene):
    button = empty_panel.ui.segmentButton
    assert not button.enabled
    assert "Load an image" in button.toolTip
    assert "Load an image" in empty_panel.ui.statusLabel.text
    image = load_image()
    assert button.enabled
    assert empty_panel.ui.statusLabel.text == ""
    scene.RemoveNode(image)
    assert not button.enabled
    assert "Load an image" in button.toolTip


def test_result_sections_are_hidden_without_a_result(panel):
    assert panel.ui.overlaySection.isHidden()
    assert panel.ui.resultsSection.isHidden()
    assert panel.ui.progressBar.isHidden()


def test_auto_names_the_device_that_it_uses(panel):
    selector = panel.ui.deviceSelector
    wait_until(lambda: selector.itemText(0).startswith("Auto ("))
    assert selector.itemText(0) == f"Auto ({selector.itemText(selector.count - 1)})"
    assert selector.itemData(1) == "cpu"
    assert selector.itemText(1).startswith("CPU")


def test_unavailable_device_falls_back_to_auto(panel, shared_worker):
    """A scene from a computer with a graphics card, opened on one without."""
    panel.widget.parameters.device = "cuda:7"
    wait_until(lambda: panel.ui.deviceSelector.itemText(0).startswith("Auto ("))
    shown = panel.ui.deviceSelector.itemData(panel.ui.deviceSelector.currentIndex)
    assert shown == "auto"
    assert panel.widget.runPanel.device == shown


@pytest.mark.parametrize(("appearance", "background"), [("light", 239), ("dark", 50)])
def test_panel_is_readable_in_light_and_dark_appearance(tmp_path, image, appearance, background):
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL, appearance) as panel:
        pixels = panel.grab(tmp_path / f"{appearance}.png").astype(int)
        text = panel.ui.modelDescription.geometry
        rows = pixels[text.top() + 20 : text.bottom() + 20]
    assert abs(np.median(pixels) - background) <= 2
    assert np.abs(rows - background).max() > 150, "no text"


@pytest.fixture
def hidden_application(slicer_application, monkeypatch):
    monkeypatch.setattr(slicer_application, "main_window", None)
    return slicer_application


def test_panel_opens_without_a_main_window(hidden_application, image):
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as panel:
        assert slicer.util.mainWindow() is None
        assert panel.ui.segmentButton.enabled
