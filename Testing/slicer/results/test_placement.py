"""A large result is placed in the scene in pieces: completely, as in one piece, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import mask, node_names
from scene_samples import MODEL, load_volume, made_up_result, sample_result

ERROR = "error_probability"
pytestmark = pytest.mark.usefixtures("small_pieces")


@pytest.fixture
def image(slicer_application, scene):
    return load_volume(scene, name="Head")


def placement(scene, image, result):
    from TrustSegLib.worker import Finished
    from TrustSegModule.results.placement import Placement

    return Placement(scene, image, SimpleNamespace(description=MODEL), Finished("1", result))


def go_on(placed, calls: int | None = None) -> tuple[object, int]:
    """Call until it is over, or so often; what it said last, and the number of calls."""
    count, ended = 0, None
    while ended is None and count != calls:
        ended, count = placed.step(), count + 1
        assert count < 10_000
    return ended, count


def voxels(nodes) -> dict[str, np.ndarray]:
    maps = {name: slicer.util.arrayFromVolume(node).copy() for name, node in nodes.maps.items()}
    return {"mask": mask(nodes.segmentation).copy(), **maps}


def second_result():
    """Another one than the sample's: every voxel differs in some way."""
    result = sample_result("entropy")
    result.labels[:] = np.where(result.labels == 1, 2, 1)
    for values in result.maps.values():
        values += 0.25
    return result


def test_placement_in_pieces_equals_placement_at_once(scene, image):
    from TrustSegModule.results import nodes

    result = second_result()
    placed = placement(scene, image, result)
    ended, calls = go_on(placed)
    assert ended.result is result
    assert calls > 2 * len(result.labels), "it came in one piece"
    other = load_volume(scene, name="other")
    expected = nodes.put_result(scene, other, result, MODEL)
    found = voxels(placed.results)
    assert found.keys() == voxels(expected).keys() == {"mask", ERROR, "entropy"}
    for name, array in voxels(expected).items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    np.testing.assert_array_equal(found["mask"], result.labels)
    np.testing.assert_array_equal(found[ERROR], result.maps[ERROR])
    for ours, theirs in zip(placed.results.all, expected.all, strict=True):
        assert attributes(ours) == attributes(theirs)


def attributes(node) -> dict[str, str]:
    """Attributes of a node by name, without the times of the log: a second may pass between two runs."""
    time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    return {name: time.sub("", node.GetAttribute(name)) for name in node.GetAttributeNames()}


@contextmanager
def heard(nodes, look: Callable[[str], None]) -> Iterator[None]:
    """Call `look` at every event of the nodes and of what displays them."""
    nodes = [*nodes.all, *(node.GetDisplayNode() for node in nodes.all)]
    # Taken away again: else Python's garbage collector hears the last events.
    tags = [(node, node.AddObserver("AnyEvent", lambda _caller, event: look(event))) for node in nodes]
    try:
        yield
    finally:
        for node, tag in tags:
            node.RemoveObserver(tag)


def test_observers_never_see_a_partial_result(scene, image):
    from TrustSegModule.results.nodes import put_result

    nodes = put_result(scene, image, sample_result("entropy"), MODEL)
    before, after = voxels(nodes), {"mask": second_result().labels, **second_result().maps}
    events, faults = [], []

    def look(event: str) -> None:
        seen = voxels(nodes)
        events.append(event)
        if not any(all((seen[name] == whole[name]).all() for name in seen) for whole in (before, after)):
            faults.append(event)

    placed = placement(scene, image, second_result())
    ended = None
    with heard(nodes, look):
        while ended is None:
            assert not events, "a node changed before all was ready"
            ended = placed.step()
    assert placed.results == nodes
    assert "ModifiedEvent" in events
    assert faults == []
    np.testing.assert_array_equal(voxels(nodes)["mask"], after["mask"])


def test_nodes_are_added_only_with_their_voxels(scene, image):
    seen = node_names()
    placed = placement(scene, image, sample_result())
    ended = None
    while ended is None:
        assert node_names() == seen
        ended = placed.step()
    assert node_names() != seen


@pytest.mark.parametrize("calls", [1, 30, 73])
def test_cancel_between_pieces_leaves_the_scene_unchanged(scene, image, calls):
    from TrustSegModule.results.nodes import put_result

    nodes = put_result(scene, image, sample_result(), MODEL)
    names, before = node_names(), voxels(nodes)
    placed = placement(scene, image, second_result())
    assert go_on(placed, calls) == (None, calls)
    placed.cancel()
    assert is_stopped(placed)
    assert node_names() == names
    for name, array in voxels(nodes).items():
        np.testing.assert_array_equal(array, before[name])


def test_cancel_before_the_last_call_takes_effect(scene, image):
    whole = go_on(placement(scene, load_volume(scene, name="other"), sample_result()))[1]
    names = node_names()
    placed = placement(scene, image, sample_result())
    assert go_on(placed, whole - 1)[0] is None
    placed.cancel()
    assert is_stopped(placed)
    assert node_names() == names


def is_stopped(placed) -> bool:
    from TrustSegLib.worker import Stopped

    return isinstance(placed.step(), Stopped) and placed.results is None


def test_closing_the_scene_stops_the_placement(scene, image):
    placed = placement(scene, image, sample_result())
    go_on(placed, 20)
    scene.Clear(0)
    names = node_names()
    assert is_stopped(placed)
    assert node_names() == names


def test_cropping_the_image_stops_the_placement(scene, image):
    placed = placement(scene, image, sample_result())
    go_on(placed, 20)
    slicer.util.updateVolumeFromArray(image, np.zeros((4, 5, 6), np.int16))
    names = node_names()
    assert is_stopped(placed)
    assert node_names() == names


def test_replaced_mask_is_not_erased_voxel_by_voxel(scene, image):
    """As Slicer does with a segment that is removed; on a large image it takes a second."""
    from vtk.util.numpy_support import vtk_to_numpy

    from TrustSegModule.results.nodes import put_result

    nodes = put_result(scene, image, sample_result(), MODEL)
    labelmap = nodes.segmentation.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    fewer = {**MODEL, "structures": MODEL["structures"][:1]}
    put_result(scene, image, second_result(), fewer)
    assert nodes.segmentation.GetSegmentation().GetNumberOfSegments() == 1
    old, labels = vtk_to_numpy(labelmap.GetPointData().GetScalars()), sample_result().labels
    np.testing.assert_array_equal(np.bincount(old)[1:], np.bincount(labels.ravel())[1:])
    np.testing.assert_array_equal(mask(nodes.segmentation), second_result().labels)


def middle(labels: np.ndarray):
    from TrustSegModule.results.prepared import prepare

    return prepare(made_up_result(labels)).middle


@pytest.mark.parametrize("seed", range(5))
def test_middle_is_the_voxel_nearest_to_the_mean(seed):
    random = np.random.default_rng(seed)
    labels = (random.random((9, 8, 7)) < 0.02 * (1 + seed)).astype(np.uint8)
    places = np.argwhere(labels)[:, ::-1]
    distances = ((places - places.mean(axis=0)) ** 2).sum(axis=1)
    found = np.array(middle(labels))
    assert labels[tuple(found[::-1])]
    assert ((found - places.mean(axis=0)) ** 2).sum() == pytest.approx(distances.min())


def test_middle_is_a_voxel_of_the_mask():
    labels = np.zeros((9, 6, 6), np.uint8)
    labels[0, 2, 2] = labels[8, 2, 3] = labels[7, 2, 3] = 1
    assert middle(labels) == (3, 2, 7)
    assert middle(np.zeros((3, 3, 3), np.uint8)) is None
