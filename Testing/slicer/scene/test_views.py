"""A jump takes slices, crosshair and the 3D view to the same place, under a transform as well."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
import slicer
import vtk
from review_samples import erase, put_calibrated
from scene_samples import LABELS, load_volume

POINT = (12.0, -7.0, 31.0)


@pytest.fixture
def camera(application, scene):
    application.three_d_view().fit()
    node = scene.GetFirstNodeByClass("vtkMRMLCameraNode")
    node.SetPosition(0, 400, 100)
    node.SetFocalPoint(0, 0, 0)
    return node


def test_go_to_moves_all_views_and_the_crosshair(application, scene, camera):
    from TrustSegModule.scene import views

    slice_views = [application.slice_view(name) for name in ("Red", "Yellow", "Green")]
    views.go_to(scene, POINT)
    for view in slice_views:
        row, column = view.pixel_of(POINT)
        assert abs(row - view.size[1] / 2) <= 1
        assert abs(column - view.size[0] / 2) <= 1
        matrix = slicer.util.arrayFromVTKMatrix(view.node.GetSliceToRAS())
        assert np.linalg.inv(matrix) @ (*POINT, 1) == pytest.approx((0, 0, 0, 1), abs=1e-3)
    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    assert crosshair.GetCrosshairRAS() == pytest.approx(POINT)
    assert crosshair.GetCrosshairMode() == slicer.vtkMRMLCrosshairNode.ShowSmallBasic
    assert camera.GetFocalPoint() == pytest.approx(POINT)


def test_go_to_keeps_the_direction_and_distance_of_the_camera(scene, camera):
    from TrustSegModule.scene import views

    views.go_to(scene, POINT)
    assert np.subtract(camera.GetPosition(), POINT) == pytest.approx((0, 400, 100))


def test_go_to_keeps_the_crosshair_mode_of_the_user(scene, camera):
    from TrustSegModule.scene import views

    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.ShowIntersection)
    views.go_to(scene, POINT)
    assert crosshair.GetCrosshairMode() == slicer.vtkMRMLCrosshairNode.ShowIntersection
    crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.NoCrosshair)


def test_world_position_follows_the_parent_transform(scene, monkeypatch):
    from TrustSegModule.scene import views

    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    image, transform = load_volume(scene), vtk.vtkTransform()
    transform.Translate(10, -20, 5)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(transform.GetMatrix())
    image.SetAndObserveTransformNodeID(node.GetID())
    nodes = put_calibrated(image)
    assert views.world_position(nodes.segmentation, (1, 2, 3)) == pytest.approx((11, -18, 8))


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
    from TrustSegModule.scene.views import segment_middle

    return segment_middle(nodes.segmentation, segment)


def test_segment_middle_is_the_voxel_nearest_to_the_mean(nodes):
    assert middle(nodes) == pytest.approx(expected(), abs=1e-3)


def test_segment_middle_follows_an_edit(nodes):
    erase(nodes.segmentation, SEGMENT, ERASED)
    assert middle(nodes) == pytest.approx(expected(ERASED), abs=1e-3)
    assert np.abs(expected(ERASED) - expected()).max() > 1


def test_segment_middle_follows_the_parent_transform(nodes, scene):
    transform, node = vtk.vtkTransform(), scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.Translate(10, -20, 5)
    node.SetMatrixTransformToParent(transform.GetMatrix())
    nodes.segmentation.SetAndObserveTransformNodeID(node.GetID())
    assert middle(nodes) == pytest.approx(np.add(expected(), (10, -20, 5)), abs=1e-3)


def test_removed_or_empty_segment_has_no_middle(nodes):
    erase(nodes.segmentation, SEGMENT, planes=1000)
    assert middle(nodes) is None
    nodes.segmentation.GetSegmentation().RemoveSegment(SEGMENT)
    assert middle(nodes) is None
    nodes.segmentation.GetSegmentation().GetSegment("Segment_1").RemoveAllRepresentations()
    assert middle(nodes, "Segment_1") is None
