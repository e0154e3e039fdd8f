"""What a reader sees: anatomy in gray, the map blended over it where it is high, the mask as a line."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from scene_samples import MODEL, load_volume, sample_answer

WINDOW = (0.0, 400.0)
TOLERANCE = 4


@pytest.fixture
def shown(application, scene):
    """The sample with its map laid over it in the red view; mask and legend are hidden."""
    from TrustSegModule import legend, overlay, result_nodes

    view = application.slice_view("Red")
    image, answer = load_volume(scene), sample_answer()
    image.GetDisplayNode().AutoWindowLevelOff()
    image.GetDisplayNode().SetWindowLevelMinMax(*WINDOW)
    image.GetDisplayNode().InterpolateOff()
    nodes = result_nodes.put_result(scene, image, answer, MODEL)
    nodes.segmentation.GetDisplayNode().SetVisibility(False)
    error_map = nodes.maps["error_probability"]
    overlay.show(scene, error_map, image)
    legend.hide_legend(error_map)
    view.fit()
    view.jump_to(ras_of(image, (17, 26, 18)))
    return Shown(scene, view, image, nodes, answer)


class Shown:
    def __init__(self, scene, view, image, nodes, answer):
        self.scene, self.view, self.image, self.nodes, self.answer = scene, view, image, nodes, answer
        self.map = nodes.maps["error_probability"]

    def seen(self) -> np.ndarray:
        """Colors at the centers of the voxels of the slice, (H, W, 3)."""
        pixels = self.view.grab().astype(int)
        height, width = self.answer.labels.shape[1:]
        places = [[self._pixel(i, j) for i in range(width)] for j in range(height)]
        rows, columns = np.moveaxis(np.array(places), -1, 0)
        return pixels[rows, columns]

    def _pixel(self, i: int, j: int) -> tuple[int, int]:
        return self.view.pixel_of(tuple(ras_of(self.image, (i, j, 18))))

    def gray(self) -> np.ndarray:
        values = slicer.util.arrayFromVolume(self.image)[18].astype(float)
        gray = np.clip((values - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1) * 255
        return np.repeat(gray[..., np.newaxis], 3, axis=-1)

    def expected(self, opacity: float, threshold: float, colors: str) -> np.ndarray:
        from TrustSegModule.color_tables import read_colors

        values = self.answer.maps["error_probability"][18]
        index = np.clip(values / 0.5 * 255, 0, 255).round().astype(int)
        weight = np.where(values >= threshold, opacity, 0)[..., np.newaxis]
        return (1 - weight) * self.gray() + weight * read_colors(colors)[index] * 255


def ras_of(node, index: tuple[int, ...]) -> np.ndarray:
    from TrustSegModule.geometry import ijk_to_ras

    return (ijk_to_ras(node) @ (*index, 1))[:3]


def test_map_hides_the_anatomy_or_has_wrong_colors(shown):
    np.testing.assert_allclose(shown.seen(), shown.expected(0.5, 0.05, "Inferno"), atol=TOLERANCE)


@pytest.mark.parametrize(("opacity", "threshold", "colors"), [(1, 0.0, "Viridis"), (0.25, 0.3, "Rainbow")])
def test_opacity_threshold_or_color_map_has_no_effect(shown, opacity, threshold, colors):
    from TrustSegModule import overlay

    overlay.set_opacity(shown.scene, shown.map, opacity)
    overlay.set_threshold(shown.map, threshold)
    overlay.set_color_map(shown.scene, shown.map, colors)
    np.testing.assert_allclose(shown.seen(), shown.expected(opacity, threshold, colors), atol=TOLERANCE)


def test_scale_is_fitted_to_the_image(shown):
    """A map that is low everywhere must look low."""
    from TrustSegModule import overlay, result_nodes

    shown.answer.maps["error_probability"] *= 0.4
    result_nodes.put_result(shown.scene, shown.image, shown.answer, MODEL)
    overlay.set_threshold(shown.map, 0.02)
    np.testing.assert_allclose(shown.seen(), shown.expected(0.5, 0.02, "Inferno"), atol=TOLERANCE)


def test_hidden_map_still_colors_the_anatomy(shown):
    from TrustSegModule import overlay

    overlay.hide(shown.scene, shown.map)
    np.testing.assert_allclose(shown.seen(), shown.gray(), atol=TOLERANCE)


def test_mask_hides_the_anatomy_or_its_line_is_missing(shown):
    from TrustSegModule import overlay

    overlay.hide(shown.scene, shown.map)
    shown.nodes.segmentation.GetDisplayNode().SetVisibility(True)
    labels = shown.answer.labels[18]
    inner = labels == 2
    for axis in (0, 1):
        inner &= (np.roll(labels, 1, axis) == 2) & (np.roll(labels, -1, axis) == 2)
    assert inner.any()
    assert_shown_as(shown, inner, filled=False)
    overlay.set_outline(shown.nodes.segmentation, False)
    assert_shown_as(shown, inner, filled=True)
    overlay.set_outline(shown.nodes.segmentation, True)
    assert_shown_as(shown, inner, filled=False)


def assert_shown_as(shown, inner: np.ndarray, filled: bool) -> None:
    color = MODEL["structures"][1]["color"]
    assert (np.abs(shown.view.grab().astype(int) - color).max(axis=-1) <= TOLERANCE).sum() > 100, "no line"
    expected = 0.5 * shown.gray() + 0.5 * np.array(color) if filled else shown.gray()
    np.testing.assert_allclose(shown.seen()[inner], expected[inner], atol=TOLERANCE)
