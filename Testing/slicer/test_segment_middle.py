"""The middle of a structure, on real nodes: of the mask as it is now, in the scene."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
import SimpleITK as sitk
import slicer
import vtk
from review_samples import erase, put_calibrated
from scene_samples import LABELS, load_volume

SEGMENT, LABEL, ERASED = "Segment_2", 2, 6


@pytest.fixture
def nodes(scene, monkeypatch):
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    return put_calibrated(load_volume(scene))


def expected(first_plane: int = 0) -> np.ndarray:
    """The voxel of the structure that is nearest to its center, RAS mm."""
    image = sitk.ReadImage(str(LABELS))
    voxels = np.argwhere(sitk.GetArrayFromImage(image) == LABEL)
    voxels = voxels[voxels[:, 0] >= voxels[:, 0].min() + first_plane]
    distances = ((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1)
    nearest = voxels[distances.argmin()][::-1].tolist()
    return np.array(image.TransformIndexToPhysicalPoint(nearest)) * (-1, -1, 1)


def middle(nodes, segment: str = SEGMENT):
    from TrustSegModule.slice_position import segment_middle

    return segment_middle(nodes.segmentation, segment)


def test_the_middle_of_a_structure_is_elsewhere(nodes):
    assert middle(nodes) == pytest.approx(expected(), abs=1e-3)


def test_the_middle_is_that_of_the_mask_before_it_was_edited(nodes):
    erase(nodes.segmentation, SEGMENT, ERASED)
    assert middle(nodes) == pytest.approx(expected(ERASED), abs=1e-3)
    assert np.abs(expected(ERASED) - expected()).max() > 1


def test_the_middle_does_not_move_with_the_image(nodes, scene):
    transform, node = vtk.vtkTransform(), scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.Translate(10, -20, 5)
    node.SetMatrixTransformToParent(transform.GetMatrix())
    nodes.segmentation.SetAndObserveTransformNodeID(node.GetID())
    assert middle(nodes) == pytest.approx(np.add(expected(), (10, -20, 5)), abs=1e-3)


def test_a_structure_that_is_gone_has_a_middle(nodes):
    erase(nodes.segmentation, SEGMENT, planes=1000)
    assert middle(nodes) is None
    nodes.segmentation.GetSegmentation().RemoveSegment(SEGMENT)
    assert middle(nodes) is None
    nodes.segmentation.GetSegmentation().GetSegment("Segment_1").RemoveAllRepresentations()
    assert middle(nodes, "Segment_1") is None
