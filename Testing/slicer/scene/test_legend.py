"""The legend beside the overlay: title, unit and percent, in the views that show the map."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
from scene_samples import MODEL, load_volume, sample_result

BAR = np.s_[130:310, 360:395]
CALIBRATED = {"record": {}, "error_probability": {"ece_after": 0.01}}


@pytest.fixture
def case(application, scene):
    """An image with two maps: `(scene, image, maps, red view)`."""
    from TrustSegModule.results.nodes import put_result

    view = application.slice_view("Red")
    image = load_volume(scene)
    answer = sample_result("entropy")
    answer.report["calibration"] = CALIBRATED
    nodes = put_result(scene, image, answer, MODEL)
    return scene, image, nodes.maps, view


def legend_of(map_node):
    return map_node.GetNodeReference("TrustSeg.Legend")


def bar_colors(view, name: str) -> int:
    """Count how many of eight colors of a table the view shows where the legend's bar is."""
    from TrustSegModule.scene.maps import read_colors

    pixels = view.grab()[BAR].reshape(-1, 1, 3).astype(int)
    wanted = read_colors(name)[16::32] * 255
    return int((np.abs(pixels - wanted).max(axis=-1) <= 6).any(axis=0).sum())


def test_legend_numbers_are_percent(case):
    from TrustSegModule.scene import overlay

    scene, image, maps, view = case
    error_map = maps["error_probability"]
    overlay.show(scene, error_map, image)
    legend = legend_of(error_map)
    display = legend.GetPrimaryDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((0, 50))
    assert legend.GetTitleText() == "Error probability (%)\nfrom 5 %"
    assert [legend.GetLabelFormat() % value for value in np.linspace(0, 50, legend.GetNumberOfLabels())] == [
        "0", "10", "20", "30", "40", "50",
    ]  # fmt: skip
    # What draws the map is another display node, in the unit of the voxels.
    assert error_map.GetDisplayNode() is not display
    assert error_map.GetDisplayNode().GetWindowLevelMax() == pytest.approx(0.5)
    actor = view.legend_actor(legend)
    assert actor.GetVisibility()
    assert actor.GetLookupTable().GetTableRange() == pytest.approx((0, 50))


def test_legend_is_drawn_while_the_map_is_shown(case):
    from TrustSegModule.scene import overlay

    scene, image, maps, view = case
    assert bar_colors(view, "Inferno") == 0
    overlay.show(scene, maps["error_probability"], image)
    assert bar_colors(view, "Inferno") == 8
    overlay.hide(scene, maps["error_probability"])
    assert bar_colors(view, "Inferno") == 0
    overlay.show(scene, maps["error_probability"], image)
    assert bar_colors(view, "Inferno") == 8


def test_legend_follows_colors_and_threshold(case):
    from TrustSegModule.scene import overlay

    scene, image, maps, view = case
    overlay.show(scene, maps["error_probability"], image)
    view.grab()
    overlay.set_color_map(scene, maps["error_probability"], "Viridis")
    assert bar_colors(view, "Viridis") == 8
    overlay.set_threshold(maps["error_probability"], 0.125)
    assert legend_of(maps["error_probability"]).GetTitleText().endswith("\nfrom 12.5 %")
    overlay.set_threshold(maps["error_probability"], 0)
    assert legend_of(maps["error_probability"]).GetTitleText() == "Error probability (%)"


def test_legend_marks_only_uncalibrated_error_probability(case):
    from TrustSegModule.results import nodes
    from TrustSegModule.scene import overlay

    scene, image, _maps, _view = case
    answer = sample_result("entropy")
    answer.report["calibration"] = CALIBRATED
    maps = nodes.put_result(scene, image, answer, MODEL).maps
    for node in maps.values():
        overlay.show(scene, node, image)
        assert "calibrated" not in legend_of(node).GetTitleText()
    # The next result on the same image comes from a model without calibration.
    maps = nodes.put_result(scene, image, sample_result("entropy"), MODEL).maps
    overlay.show(scene, maps["error_probability"], image)
    legend = legend_of(maps["error_probability"])
    assert legend.GetTitleText() == "Uncertainty, raw (not calibrated)\nfrom 0.05"
    assert legend.GetLabelFormat() % 0.5 == "0.50"
    assert legend.GetPrimaryDisplayNode().GetWindowLevelMax() == pytest.approx(0.5)
    # An entropy is no percentage: there is nothing to hold against outcomes.
    overlay.show(scene, maps["entropy"], image)
    assert "calibrated" not in legend_of(maps["entropy"]).GetTitleText()


def test_deleted_legend_is_made_anew(case):
    from TrustSegModule.scene import overlay

    scene, image, maps, view = case
    overlay.show(scene, maps["error_probability"], image)
    scene.RemoveNode(legend_of(maps["error_probability"]))
    overlay.set_color_map(scene, maps["error_probability"], "Viridis")
    overlay.set_threshold(maps["error_probability"], 0.1)
    overlay.hide(scene, maps["error_probability"])
    overlay.show(scene, maps["error_probability"], image)
    assert bar_colors(view, "Viridis") == 8


def test_each_map_has_a_legend_with_its_title_and_scale(case):
    from TrustSegModule.scene import overlay

    scene, image, maps, view = case
    for node in maps.values():
        overlay.show(scene, node, image)
    legend = legend_of(maps["entropy"])
    assert legend.GetTitleText().startswith("Predictive entropy (nat)")
    assert legend.GetPrimaryDisplayNode().GetWindowLevelMax() == pytest.approx(np.log(3))
    assert view.legend_actor(legend).GetVisibility()
    assert not view.legend_actor(legend_of(maps["error_probability"])).GetVisibility()


def test_view_added_later_draws_the_legend(case, application):
    from off_screen_views import SliceView

    from TrustSegModule.scene import overlay

    scene, image, maps, _ = case
    overlay.show(scene, maps["error_probability"], image)
    late = SliceView(application.application_logic, "Slice4", "Axial")
    try:
        overlay.show(scene, maps["error_probability"], image)
        assert bar_colors(late, "Inferno") == 8
        assert scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode") == 1
    finally:
        late.close()
        scene.RemoveNode(late.composite)
        scene.RemoveNode(late.node)
        application.application_logic.GetSliceLogics().RemoveItem(late.logic)


def test_map_titles_equal_those_of_the_report(scene):
    from TrustSegLib.contract import MAP_NAMES, map_title
    from TrustSegModule.scene.maps import map_titles

    assert map_titles() == {name: map_title(name) for name in MAP_NAMES}
