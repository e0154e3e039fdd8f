"""The overlay in the slice views: nodes, pixels, and the state that hiding restores."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from scene_samples import MODEL, load_volume, sample_result


@pytest.fixture
def case(application, scene):
    """Three views and an image with a result: `(scene, image, error map, composites)`."""
    from TrustSegModule.results.nodes import put_result

    views = [application.slice_view(name) for name in ("Red", "Yellow", "Green")]
    image = load_volume(scene)
    nodes = put_result(scene, image, sample_result(), MODEL)
    return scene, image, nodes.maps["error_probability"], [view.composite for view in views]


def test_map_is_shown_in_every_view(case):
    from TrustSegModule.scene import overlay

    scene, image, error_map, composites = case
    assert not overlay.is_shown(scene, error_map)
    overlay.show(scene, error_map, image, opacity=0.3)
    assert overlay.is_shown(scene, error_map)
    for composite in composites:
        assert composite.GetBackgroundVolumeID() == image.GetID()
        assert composite.GetForegroundVolumeID() == error_map.GetID()
        assert composite.GetForegroundOpacity() == pytest.approx(0.3)


def test_map_is_shown_in_views_of_hidden_layouts(case):
    from TrustSegModule.scene import overlay

    scene, image, error_map, _ = case
    other = slicer.vtkMRMLSliceCompositeNode()
    other.SetLayoutName("Slice4")
    scene.AddNode(other)
    overlay.show(scene, error_map, image)
    assert other.GetForegroundVolumeID() == error_map.GetID()


def test_hiding_restores_the_foreground_of_the_user(case):
    from TrustSegModule.scene import overlay

    scene, image, error_map, (red, yellow, green) = case
    pet, ct = (load_volume(scene, name=name) for name in ("PET", "CT"))
    red.SetForegroundVolumeID(pet.GetID())
    red.SetForegroundOpacity(0.8)
    yellow.SetBackgroundVolumeID(ct.GetID())
    overlay.show(scene, error_map, image)
    overlay.show(scene, error_map, image, opacity=0.9)
    overlay.hide(scene, error_map)
    assert not overlay.is_shown(scene, error_map)
    assert (red.GetForegroundVolumeID(), red.GetForegroundOpacity()) == (pet.GetID(), pytest.approx(0.8))
    assert (yellow.GetForegroundVolumeID(), yellow.GetForegroundOpacity()) == (None, 0)
    assert green.GetForegroundVolumeID() is None
    # The anatomy must not jump to another image when the map is taken away.
    assert yellow.GetBackgroundVolumeID() == image.GetID()


def test_hiding_keeps_a_foreground_chosen_meanwhile(case):
    from TrustSegModule.scene import overlay

    scene, image, error_map, (red, *_) = case
    overlay.show(scene, error_map, image)
    pet = load_volume(scene, name="PET")
    red.SetForegroundVolumeID(pet.GetID())
    overlay.set_opacity(scene, error_map, 0.1)
    overlay.hide(scene, error_map)
    assert red.GetForegroundVolumeID() == pet.GetID()
    assert red.GetForegroundOpacity() == pytest.approx(0.5)


def test_hiding_restores_no_deleted_foreground(case):
    from TrustSegModule.scene import overlay

    scene, image, error_map, (red, *_) = case
    pet = load_volume(scene, name="PET")
    red.SetForegroundVolumeID(pet.GetID())
    overlay.show(scene, error_map, image)
    scene.RemoveNode(pet)
    overlay.hide(scene, error_map)
    assert red.GetForegroundVolumeID() is None


def test_foreground_is_restored_after_maps_of_two_images(case):
    from TrustSegModule.results import nodes
    from TrustSegModule.scene import overlay

    scene, image, error_map, (red, *_) = case
    pet, other = (load_volume(scene, name=name) for name in ("PET", "Other"))
    red.SetForegroundVolumeID(pet.GetID())
    overlay.show(scene, error_map, image)
    second = nodes.put_result(scene, other, sample_result(), MODEL).maps["error_probability"]
    overlay.show(scene, second, other)
    assert not overlay.is_shown(scene, error_map)
    assert overlay.is_shown(scene, second)
    assert red.GetBackgroundVolumeID() == other.GetID()
    overlay.hide(scene, second)
    assert red.GetForegroundVolumeID() == pet.GetID()


WINDOW = (0.0, 400.0)
TOLERANCE = 4


@pytest.fixture
def shown(application, scene):
    """The sample with its map laid over it in the red view; mask and legend are hidden."""
    from TrustSegModule.results.nodes import put_result
    from TrustSegModule.scene import legend, overlay

    view = application.slice_view("Red")
    image, result = load_volume(scene), sample_result()
    image.GetDisplayNode().AutoWindowLevelOff()
    image.GetDisplayNode().SetWindowLevelMinMax(*WINDOW)
    image.GetDisplayNode().InterpolateOff()
    nodes = put_result(scene, image, result, MODEL)
    nodes.segmentation.GetDisplayNode().SetVisibility(False)
    error_map = nodes.maps["error_probability"]
    overlay.show(scene, error_map, image)
    legend.hide_legend(error_map)
    view.fit()
    view.jump_to(ras_of(image, (17, 26, 18)))
    return Shown(scene, view, image, nodes, result)


class Shown:
    def __init__(self, scene, view, image, nodes, result):
        self.scene, self.view, self.image, self.nodes, self.result = scene, view, image, nodes, result
        self.map = nodes.maps["error_probability"]

    def seen(self) -> np.ndarray:
        """Colors at the centers of the voxels of the slice, (H, W, 3)."""
        pixels = self.view.grab().astype(int)
        height, width = self.result.labels.shape[1:]
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
        from TrustSegModule.scene.maps import read_colors

        values = self.result.maps["error_probability"][18]
        index = np.clip(values / 0.5 * 255, 0, 255).round().astype(int)
        weight = np.where(values >= threshold, opacity, 0)[..., np.newaxis]
        return (1 - weight) * self.gray() + weight * read_colors(colors)[index] * 255


def ras_of(node, index: tuple[int, ...]) -> np.ndarray:
    from TrustSegModule.scene.geometry import ijk_to_ras

    return (ijk_to_ras(node) @ (*index, 1))[:3]


def test_map_is_blended_with_the_anatomy(shown):
    np.testing.assert_allclose(shown.seen(), shown.expected(0.5, 0.05, "Inferno"), atol=TOLERANCE)


@pytest.mark.parametrize(("opacity", "threshold", "colors"), [(1, 0.0, "Viridis"), (0.25, 0.3, "Rainbow")])
def test_opacity_threshold_and_color_map_change_the_picture(shown, opacity, threshold, colors):
    from TrustSegModule.scene import overlay

    overlay.set_opacity(shown.scene, shown.map, opacity)
    overlay.set_threshold(shown.map, threshold)
    overlay.set_color_map(shown.scene, shown.map, colors)
    np.testing.assert_allclose(shown.seen(), shown.expected(opacity, threshold, colors), atol=TOLERANCE)


def test_scale_is_independent_of_the_image(shown):
    """A map that is low everywhere must look low."""
    from TrustSegModule.results import nodes
    from TrustSegModule.scene import overlay

    shown.result.maps["error_probability"] *= 0.4
    nodes.put_result(shown.scene, shown.image, shown.result, MODEL)
    overlay.set_threshold(shown.map, 0.02)
    np.testing.assert_allclose(shown.seen(), shown.expected(0.5, 0.02, "Inferno"), atol=TOLERANCE)


def test_hidden_map_leaves_the_anatomy_gray(shown):
    from TrustSegModule.scene import overlay

    overlay.hide(shown.scene, shown.map)
    np.testing.assert_allclose(shown.seen(), shown.gray(), atol=TOLERANCE)


def test_mask_is_drawn_as_an_outline_or_filled(shown):
    from TrustSegModule.scene import overlay

    overlay.hide(shown.scene, shown.map)
    shown.nodes.segmentation.GetDisplayNode().SetVisibility(True)
    labels = shown.result.labels[18]
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
