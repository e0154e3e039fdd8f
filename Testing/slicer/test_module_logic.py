"""What scripts call, with and without a window, and the test that Slicer itself runs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import ERROR_MAP, PANEL, mask, node_names, results, segment


@pytest.fixture
def module(slicer_application, scene):
    """The module's main file, loaded as Slicer does."""
    from qt_stand_ins.panel import load_module

    return load_module(PANEL)


def voxels(nodes) -> dict[str, np.ndarray]:
    maps = {name: slicer.util.arrayFromVolume(node).copy() for name, node in nodes.maps.items()}
    return {"mask": mask(nodes.segmentation).copy(), **maps}


def check_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(found["mask"], expected["mask"])
    for name, array in found.items():
        # Not bit for bit: on a busy machine, threads may add up in another order.
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-5)


def test_script_result_equals_a_click(panel, image, module):
    nodes = module.TrustSegLogic().segment(image)
    found, names, title = voxels(nodes), set(node_names()), nodes.segmentation.GetName()
    for node in nodes.all:
        slicer.mrmlScene.RemoveNode(node)
    segment(panel)
    check_same(voxels(results(image)), found)
    assert results(image).segmentation.GetName() == title
    assert names <= set(node_names())


def test_script_runs_without_a_main_window(module, image, shared_worker, slicer_application, monkeypatch):
    """`Slicer --no-main-window --testing --python-script`."""
    from TrustSegLib.contract import MAP_NAMES

    monkeypatch.setattr(slicer_application, "main_window", None)
    monkeypatch.setattr(slicer_application, "testing", True)
    nodes = module.TrustSegLogic().segment(image, model="hippocampus-t1", device="cpu", allMaps=True)
    assert set(nodes.maps) == set(MAP_NAMES)
    assert slicer.util.arrayFromVolume(nodes.maps[ERROR_MAP]).dtype == np.float32
    assert nodes == results(image)


def test_unknown_model_is_refused_with_the_installed_ones(module, image):
    from TrustSegModule.scene.nodes import SceneError

    before = node_names()
    with pytest.raises(SceneError, match="no model 'liver'; there are: hippocampus-t1"):
        module.TrustSegLogic().segment(image, model="liver")
    assert node_names() == before


def test_failed_script_closes_its_worker(module, scene, shared_worker, monkeypatch):
    from TrustSegModule.scene.nodes import SceneError

    closed = []
    monkeypatch.setattr(shared_worker, "close", lambda: closed.append(True), raising=False)
    with pytest.raises(SceneError, match="'hollow' holds no image"):
        module.TrustSegLogic().segment(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hollow"))
    assert closed == [True]


def test_self_test_passes(module, slicer_application, monkeypatch):
    monkeypatch.setattr(slicer_application, "testing", True)
    monkeypatch.setattr(slicer_application, "main_window", None)
    module.TrustSegTest().runTest()
