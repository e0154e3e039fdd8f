"""A jump takes slices, crosshair and the 3D view to the same place, under a transform as well."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
import vtk
from review_samples import put_calibrated
from scene_samples import load_volume

POINT = (12.0, -7.0, 31.0)


@pytest.fixture
def camera(application, scene):
    application.three_d_view().fit()
    node = scene.GetFirstNodeByClass("vtkMRMLCameraNode")
    node.SetPosition(0, 400, 100)
    node.SetFocalPoint(0, 0, 0)
    return node


def test_a_view_or_the_crosshair_stays_behind(application, scene, camera):
    from TrustSegModule import viewpoint

    views = [application.slice_view(name) for name in ("Red", "Yellow", "Green")]
    viewpoint.go_to(scene, POINT)
    for view in views:
        row, column = view.pixel_of(POINT)
        assert abs(row - view.size[1] / 2) <= 1
        assert abs(column - view.size[0] / 2) <= 1
        matrix = slicer.util.arrayFromVTKMatrix(view.node.GetSliceToRAS())
        assert np.linalg.inv(matrix) @ (*POINT, 1) == pytest.approx((0, 0, 0, 1), abs=1e-3)
    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    assert crosshair.GetCrosshairRAS() == pytest.approx(POINT)
    assert crosshair.GetCrosshairMode() == slicer.vtkMRMLCrosshairNode.ShowSmallBasic
    assert camera.GetFocalPoint() == pytest.approx(POINT)


def test_the_3d_view_looks_from_another_side_or_distance(scene, camera):
    from TrustSegModule import viewpoint

    viewpoint.go_to(scene, POINT)
    assert np.subtract(camera.GetPosition(), POINT) == pytest.approx((0, 400, 100))


def test_the_crosshair_that_a_person_chose_is_replaced(scene, camera):
    from TrustSegModule import viewpoint

    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.ShowIntersection)
    viewpoint.go_to(scene, POINT)
    assert crosshair.GetCrosshairMode() == slicer.vtkMRMLCrosshairNode.ShowIntersection
    crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.NoCrosshair)


def test_a_place_is_where_the_image_was_before_it_was_moved(scene, monkeypatch):
    from TrustSegModule import viewpoint

    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    image, transform = load_volume(scene), vtk.vtkTransform()
    transform.Translate(10, -20, 5)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(transform.GetMatrix())
    image.SetAndObserveTransformNodeID(node.GetID())
    nodes = put_calibrated(image)
    assert viewpoint.world_position(nodes.segmentation, (1, 2, 3)) == pytest.approx((11, -18, 8))
