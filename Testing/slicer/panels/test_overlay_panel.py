"""The controls of the overlay: their effect on the nodes and on the pixels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import ERROR_MAP, results, segment

TOLERANCE = 4
WINDOW = (0.0, 400.0)


@pytest.fixture
def shown(panel, image, application) -> SimpleNamespace:
    """The sample, segmented by a click, in the red view."""
    return show(panel, image, application)


def show(panel, image, application) -> SimpleNamespace:
    segment(panel)
    image.GetDisplayNode().AutoWindowLevelOff()
    image.GetDisplayNode().SetWindowLevelMinMax(*WINDOW)
    image.GetDisplayNode().InterpolateOff()
    view = application.slice_view("Red")
    view.fit()
    view.jump_to(tuple(ras_of(image, (17, 26, 18))))
    return SimpleNamespace(panel=panel, ui=panel.ui, image=image, view=view, nodes=results(image))


def ras_of(image, index: tuple[int, ...]) -> np.ndarray:
    from TrustSegModule.scene.geometry import ijk_to_ras

    return (ijk_to_ras(image) @ (*index, 1))[:3]


def check_blend(
    shown, name: str = ERROR_MAP, opacity=0.5, threshold=0.05, colors="Inferno", high=0.5
) -> None:
    """Compare the pixels at the centers of the voxels with gray values, map and colors blended by hand."""
    from TrustSegModule.scene.maps import read_colors

    values = slicer.util.arrayFromVolume(shown.nodes.maps[name])[18]
    gray = np.clip((slicer.util.arrayFromVolume(shown.image)[18] - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1)
    index = np.clip(values / high * 255, 0, 255).round().astype(int)
    weight = np.where(values >= threshold, opacity, 0)[..., np.newaxis]
    expected = 255 * ((1 - weight) * gray[..., np.newaxis] + weight * read_colors(colors)[index])
    np.testing.assert_allclose(voxel_colors(shown), expected, atol=TOLERANCE)


def voxel_colors(shown) -> np.ndarray:
    """Pixels at the centers of the voxels of the slice, without mask and legend."""
    covering = [shown.nodes.segmentation.GetDisplayNode(), *legends(shown)]
    for node in covering:
        node.SetVisibility(False)
    pixels = shown.view.grab().astype(int)
    for node in covering:
        node.SetVisibility(True)
    height, width = slicer.util.arrayFromVolume(shown.image).shape[1:]
    ras = [[tuple(ras_of(shown.image, (i, j, 18))) for i in range(width)] for j in range(height)]
    rows, columns = np.moveaxis(np.array([[shown.view.pixel_of(p) for p in line] for line in ras]), -1, 0)
    return pixels[rows, columns]


def legend_of(node):
    return node.GetNodeReference("TrustSeg.Legend")


def legends(shown) -> list:
    """The legends that are visible."""
    found = [legend_of(node) for node in shown.nodes.maps.values()]
    return [each for each in found if each is not None and each.GetVisibility()]


def choose(selector, key: str) -> None:
    selector.setCurrentIndex(selector.findData(key))


def test_result_is_shown_with_mask_and_legend(shown):
    check_blend(shown)
    (legend,) = legends(shown)
    assert legend.GetTitleText().startswith("Error probability (%)")
    assert shown.ui.showOverlayCheckBox.checked
    with_mask = shown.view.grab()
    shown.nodes.segmentation.GetDisplayNode().SetVisibility(False)
    assert (shown.view.grab() != with_mask).any(), "the mask is not drawn"


def test_key_u_hides_and_shows_the_map(shown):
    shown.panel.press("U")
    assert not shown.ui.showOverlayCheckBox.checked
    assert legends(shown) == []
    check_blend(shown, opacity=0)
    shown.panel.press("U")
    assert shown.ui.showOverlayCheckBox.checked
    assert len(legends(shown)) == 1
    check_blend(shown)


def test_key_u_works_only_while_the_panel_is_open(shown):
    shown.panel.widget.exit()
    shown.panel.press("U")
    assert shown.ui.showOverlayCheckBox.checked
    shown.panel.widget.enter()
    shown.panel.press("U")
    assert not shown.ui.showOverlayCheckBox.checked


def test_key_u_does_nothing_without_a_result(panel):
    panel.press("U")
    assert panel.ui.overlaySection.isHidden()


def test_threshold_opacity_and_colors_change_the_overlay(shown):
    shown.ui.thresholdSlider.setValue(25)
    shown.ui.opacitySlider.setValue(80)
    choose(shown.ui.colorMapSelector, "Viridis")
    check_blend(shown, opacity=0.8, threshold=0.25, colors="Viridis")
    (legend,) = legends(shown)
    assert legend.GetTitleText().splitlines()[-1].endswith("from 25 %")
    assert legend.GetPrimaryDisplayNode().GetColorNode().GetName() == "TrustSeg Viridis"


def test_mask_can_be_filled(shown):
    display = shown.nodes.segmentation.GetDisplayNode()
    assert (display.GetVisibility2DOutline(), display.GetVisibility2DFill()) == (1, 0)
    outlined = shown.view.grab()
    shown.ui.outlineCheckBox.click()
    assert display.GetVisibility2DFill() == 1
    assert (shown.view.grab() != outlined).mean() > 0.01
    shown.ui.outlineCheckBox.click()
    assert (shown.view.grab() == outlined).all()


def test_surface_is_shown_and_colored(shown, application):
    view = application.three_d_view()
    empty = view.grab()
    shown.ui.show3DCheckBox.click()
    view.fit()
    plain = view.grab()
    assert (plain != empty).any()
    shown.ui.color3DCheckBox.click()
    model = shown.nodes.segmentation.GetNodeReference("TrustSeg.Surface")
    assert model.GetDisplayNode().GetVisibility()
    assert model.GetDisplayNode().GetActiveScalarName() == "Error probability (%)"
    assert (view.grab() != plain).any()
    shown.ui.color3DCheckBox.click()
    assert not model.GetDisplayNode().GetVisibility()
    assert shown.nodes.segmentation.GetDisplayNode().GetVisibility3D()
    shown.ui.show3DCheckBox.click()
    assert not shown.nodes.segmentation.GetDisplayNode().GetVisibility3D()


def test_every_map_can_be_made_and_shown(panel, image, application):
    from TrustSegLib.contract import MAP_NAMES, map_display, map_title

    panel.ui.allMapsCheckBox.click()
    shown = show(panel, image, application)
    selector = panel.ui.mapSelector
    assert tuple(selector.itemData(row) for row in range(selector.count)) == MAP_NAMES
    assert selector.itemData(selector.currentIndex) == ERROR_MAP
    shown.ui.thresholdSlider.setValue(20)
    choose(selector, "entropy")
    assert shown.view.composite.GetForegroundVolumeID() == shown.nodes.maps["entropy"].GetID()
    (legend,) = legends(shown)
    assert legend.GetTitleText().startswith(map_title("entropy"))
    high = map_display("entropy", 3).high
    assert shown.ui.thresholdSlider.maximum == pytest.approx(high)
    assert shown.ui.thresholdSlider.value == pytest.approx(high / 10)
    check_blend(shown, "entropy", threshold=high / 10, high=high)
    choose(selector, ERROR_MAP)
    assert shown.ui.thresholdSlider.value == pytest.approx(20), "the threshold of this map is forgotten"
    check_blend(shown, threshold=0.2)


def test_second_run_removes_maps_that_it_does_not_make(panel, image):
    panel.ui.allMapsCheckBox.click()
    segment(panel)
    choose(panel.ui.mapSelector, "entropy")
    panel.ui.allMapsCheckBox.click()
    segment(panel)
    assert set(results(image).maps) == {ERROR_MAP}
    assert panel.ui.mapSelector.count == 1
    assert panel.ui.showOverlayCheckBox.checked
    panel.press("U")
    panel.press("U")
    assert panel.ui.showOverlayCheckBox.checked


def test_controls_are_hidden_for_a_deleted_result(panel, image, scene):
    segment(panel)
    nodes = results(image)
    scene.RemoveNode(nodes.maps[ERROR_MAP])
    assert panel.ui.overlaySection.isHidden()
    assert not panel.ui.resultsSection.isHidden()
    panel.press("U")
    scene.RemoveNode(nodes.segmentation)
    assert panel.ui.resultsSection.isHidden()
    segment(panel)
    assert not panel.ui.overlaySection.isHidden()
