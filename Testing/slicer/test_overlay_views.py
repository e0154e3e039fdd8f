"""Which slice views the overlay changes, and what it leaves behind when it goes."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer")
import slicer
from scene_samples import MODEL, load_volume, sample_answer


@pytest.fixture
def case(application, scene):
    """Three views and an image with a result: `(scene, image, error map, composites)`."""
    from TrustSegModule import result_nodes

    views = [application.slice_view(name) for name in ("Red", "Yellow", "Green")]
    image = load_volume(scene)
    nodes = result_nodes.put_result(scene, image, sample_answer(), MODEL)
    return scene, image, nodes.maps["error_probability"], [view.composite for view in views]


def test_view_is_left_out(case):
    from TrustSegModule import overlay

    scene, image, error_map, composites = case
    assert not overlay.is_shown(scene, error_map)
    overlay.show(scene, error_map, image, opacity=0.3)
    assert overlay.is_shown(scene, error_map)
    for composite in composites:
        assert composite.GetBackgroundVolumeID() == image.GetID()
        assert composite.GetForegroundVolumeID() == error_map.GetID()
        assert composite.GetForegroundOpacity() == pytest.approx(0.3)


def test_view_of_a_hidden_layout_is_left_out(case):
    from TrustSegModule import overlay

    scene, image, error_map, _ = case
    other = slicer.vtkMRMLSliceCompositeNode()
    other.SetLayoutName("Slice4")
    scene.AddNode(other)
    overlay.show(scene, error_map, image)
    assert other.GetForegroundVolumeID() == error_map.GetID()


def test_foreground_of_the_user_is_lost(case):
    from TrustSegModule import overlay

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


def test_foreground_chosen_while_the_map_was_shown_is_lost(case):
    from TrustSegModule import overlay

    scene, image, error_map, (red, *_) = case
    overlay.show(scene, error_map, image)
    pet = load_volume(scene, name="PET")
    red.SetForegroundVolumeID(pet.GetID())
    overlay.set_opacity(scene, error_map, 0.1)
    overlay.hide(scene, error_map)
    assert red.GetForegroundVolumeID() == pet.GetID()
    assert red.GetForegroundOpacity() == pytest.approx(0.5)


def test_deleted_foreground_comes_back(case):
    from TrustSegModule import overlay

    scene, image, error_map, (red, *_) = case
    pet = load_volume(scene, name="PET")
    red.SetForegroundVolumeID(pet.GetID())
    overlay.show(scene, error_map, image)
    scene.RemoveNode(pet)
    overlay.hide(scene, error_map)
    assert red.GetForegroundVolumeID() is None


def test_second_image_forgets_the_foreground_that_was_there_before_the_first(case):
    from TrustSegModule import overlay, result_nodes

    scene, image, error_map, (red, *_) = case
    pet, other = (load_volume(scene, name=name) for name in ("PET", "Other"))
    red.SetForegroundVolumeID(pet.GetID())
    overlay.show(scene, error_map, image)
    second = result_nodes.put_result(scene, other, sample_answer(), MODEL).maps["error_probability"]
    overlay.show(scene, second, other)
    assert not overlay.is_shown(scene, error_map)
    assert overlay.is_shown(scene, second)
    assert red.GetBackgroundVolumeID() == other.GetID()
    overlay.hide(scene, second)
    assert red.GetForegroundVolumeID() == pet.GetID()
