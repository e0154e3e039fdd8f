"""Volumes that can be segmented, and those that cannot."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
import vtk
from scene_samples import load_volume
from source_tree import ROOT


def test_components_become_channels(scene, tmp_path):
    from TrustSegModule.scene import inputs

    channels = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    image = sitk.GetImageFromArray(np.moveaxis(channels, 0, -1), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "two.nrrd"))
    node = load_volume(scene, tmp_path / "two.nrrd", kind="Vector")
    np.testing.assert_array_equal(inputs.image_array(node), channels)


def test_image_array_is_a_view_of_the_volume(scene):
    import slicer

    from TrustSegModule.scene import inputs

    node = load_volume(scene)
    assert np.shares_memory(inputs.image_array(node), slicer.util.arrayFromVolume(node))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda node: node.SetAndObserveImageData(None), "holds no image"),
        (lambda node: node.SetIJKToRASDirections(1, 0.1, 0, 0, 1, 0, 0, 0, 1), "right angles"),
        (lambda node: node.SetIJKToRASDirections(1, 0, 0, 1, 0, 0, 0, 0, 1), "right angles"),
        (lambda node: node.SetSpacing(1, 0, 1), "not valid"),
        (lambda node: node.SetOrigin(np.nan, 0, 0), "not valid"),
    ],
    ids=["empty", "sheared", "flat", "no spacing", "nowhere"],
)
def test_volume_without_voxels_or_valid_geometry_is_refused(scene, damage, message):
    from TrustSegModule.scene import inputs
    from TrustSegModule.scene.nodes import SceneError

    node = load_volume(scene, name="Head")
    damage(node)
    with pytest.raises(SceneError, match=message) as caught:
        inputs.request_geometry(node)
    assert "'Head'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def image(scene):
    return load_volume(scene, name="MR")


def box(scene, center=(18.0, 26.0, 20.0), size=(10.0, 8.0, 6.0), name="ROI"):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    node.SetCenter(center)
    node.SetSize(size)
    return node


def linear_transform(scene, rotation: float = 0.0, move=(0.0, 0.0, 0.0)):
    transform = vtk.vtkTransform()
    transform.Translate(move)
    transform.RotateZ(rotation)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(transform.GetMatrix())
    return node


def bending_transform(scene):
    """Shift to the right by up to 4 mm, the more the further from y = 26."""
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetBasisToR()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for x in (-50, 18, 90):
        for y in (-30, 26, 80):
            for z in (-50, 20, 90):
                source.InsertNextPoint(x, y, z)
                target.InsertNextPoint(x + 4 * abs(y - 26) / 54, y, z)
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(spline)
    return node


def bounds(roi, image) -> list[float]:
    from TrustSegModule.scene.inputs import roi_text

    return [float(number) for number in roi_text(roi, image).split(",")]


def test_box_gives_its_bounds(scene, image):
    assert bounds(box(scene), image) == pytest.approx([13, 23, 22, 30, 17, 23])


def test_worker_reads_the_box(scene, image):
    """In a process of its own, as in the application: the worker's torch and the tests' Qt do not mix."""
    from TrustSegModule.scene.inputs import roi_text

    read = "import sys; from TrustSegLib.inference import Roi; print(*Roi.parse(sys.argv[1]).bounds)"
    text = roi_text(box(scene, size=(10.0001, 1e-2, 6)), image)
    command = [sys.executable, "-c", read, text]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = [float(number) for number in done.stdout.split()]
    assert found == pytest.approx([13, 23, 25.995, 26.005, 17, 23], abs=2e-3)


def test_rotated_box_gives_its_bounding_box(scene, image):
    roi = box(scene, size=(10, 10, 6))
    matrix = linear_transform(scene, rotation=45, move=(18, 26, 20)).GetMatrixTransformToParent
    rotated = vtk.vtkMatrix4x4()
    matrix(rotated)
    roi.SetAndObserveObjectToNodeMatrix(rotated)
    half = 5 * np.sqrt(2)
    assert bounds(roi, image) == pytest.approx([18 - half, 18 + half, 26 - half, 26 + half, 17, 23], abs=1e-3)


def test_transform_of_the_image_is_inverted(scene, image):
    image.SetAndObserveTransformNodeID(linear_transform(scene, move=(100, 0, -5)).GetID())
    roi = box(scene, center=(118, 26, 15))
    assert bounds(roi, image) == pytest.approx([13, 23, 22, 30, 17, 23])


def test_transform_of_the_box_is_applied(scene, image):
    roi = box(scene)
    roi.SetAndObserveTransformNodeID(linear_transform(scene, move=(0, 3, 0)).GetID())
    assert bounds(roi, image) == pytest.approx([13, 23, 25, 33, 17, 23])


def test_shared_transform_cancels_out(scene, image):
    node = linear_transform(scene, rotation=30, move=(5, 6, 7))
    roi = box(scene)
    for each in (roi, image):
        each.SetAndObserveTransformNodeID(node.GetID())
    assert bounds(roi, image) == pytest.approx([13, 23, 22, 30, 17, 23], abs=2e-3)


def test_box_holds_the_voxels_seen_in_a_nonlinearly_transformed_image(scene, image):
    """A box drawn over the bent image must hold the voxels that are seen in it."""
    node = bending_transform(scene)
    image.SetAndObserveTransformNodeID(node.GetID())
    found = bounds(box(scene, size=(10, 40, 6)), image)
    inverse = node.GetTransformFromParent()
    corner, middle = inverse.TransformPoint(13, 46, 20), inverse.TransformPoint(23, 26, 20)
    assert corner[0] < 12.5
    assert found[0] <= corner[0] + 1e-2
    assert found[1] >= middle[0] - 1e-2


@pytest.mark.parametrize("center", [(-200, 26, 20), (18, 26, 400)])
def test_box_outside_the_image_is_refused(scene, image, center):
    from TrustSegModule.scene.nodes import SceneError

    with pytest.raises(SceneError, match=r"'Box' lies outside 'MR'"):
        bounds(box(scene, center, name="Box"), image)


def test_box_that_is_not_drawn_yet_is_refused(scene, image):
    from TrustSegModule.scene.nodes import SceneError

    empty = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    for roi in (empty, box(scene, size=(0, 5, 5), name="R")):
        with pytest.raises(SceneError, match="'R' is not a box yet"):
            bounds(roi, image)
