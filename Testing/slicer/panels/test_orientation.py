"""Oblique, mirrored and transformed images: mask and overlay coincide with the anatomy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
import slicer
from panel_runs import ERROR_MAP, load_image, mask, results, segment
from scene_samples import IMAGE

LPS = np.array([-1, -1, 1])


def mirrored(image: sitk.Image) -> sitk.Image:
    return sitk.Flip(image, [True, False, True])


def turned(image: sitk.Image) -> sitk.Image:
    return sitk.Flip(sitk.PermuteAxes(image, [2, 0, 1]), [False, True, False])


def oblique(image: sitk.Image) -> sitk.Image:
    rotation = sitk.Euler3DTransform((0, 0, 0), *np.radians((20, -12, 9)))
    image = turned(image)
    cosines = np.reshape(rotation.GetMatrix(), (3, 3)) @ np.reshape(image.GetDirection(), (3, 3))
    image.SetDirection(cosines.ravel().tolist())
    image.SetOrigin((12.5, -40.25, 7))
    return image


def ijk_to_lps(node) -> np.ndarray:
    from TrustSegModule.scene.geometry import ijk_to_ras

    return np.diag([*LPS, 1]) @ ijk_to_ras(node)


def as_sitk(array: np.ndarray, ijk_to_lps: np.ndarray) -> sitk.Image:
    """An array (D, H, W) where the matrix says, as another program would read it."""
    image = sitk.GetImageFromArray(array)
    spacing = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((ijk_to_lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(ijk_to_lps[:3, 3].tolist())
    return image


def on_the_file(image: sitk.Image, file: sitk.Image) -> np.ndarray:
    """Values of an image at the voxels of a file, by their place in the patient."""
    found = sitk.Resample(image, file, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, image.GetPixelID())
    return sitk.GetArrayFromImage(found)


def segmentation_matrix(segmentation) -> np.ndarray:
    import vtk

    labelmap = segmentation.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    return np.diag([*LPS, 1]) @ slicer.util.arrayFromVTKMatrix(matrix)


@pytest.mark.parametrize("move", [mirrored, turned, oblique])
def test_mask_and_overlay_coincide_with_a_reoriented_image(panel, image, application, tmp_path: Path, move):
    segment(panel)
    sample, nodes = sitk.ReadImage(str(IMAGE)), results(image)
    expected = [mask(nodes.segmentation), slicer.util.arrayFromVolume(nodes.maps[ERROR_MAP])]
    expected = [move(as_sitk(array, ijk_to_lps(image))) for array in expected]
    file = move(sample)
    sitk.WriteImage(file, str(tmp_path / "moved.nii.gz"))
    moved = load_image(tmp_path / "moved.nii.gz")
    panel.ui.inputSelector.setCurrentNode(moved)
    segment(panel)

    nodes = results(moved)
    error = slicer.util.arrayFromVolume(nodes.maps[ERROR_MAP])
    labels = as_sitk(mask(nodes.segmentation), segmentation_matrix(nodes.segmentation))
    np.testing.assert_array_equal(on_the_file(labels, file), sitk.GetArrayFromImage(expected[0]))
    found = on_the_file(as_sitk(error, ijk_to_lps(nodes.maps[ERROR_MAP])), file)
    np.testing.assert_allclose(found, sitk.GetArrayFromImage(expected[1]), atol=1e-5)
    check_pixel(application.slice_view("Red"), moved, nodes, error)


def check_pixel(view, image, nodes, error: np.ndarray) -> None:
    """Where the map is highest, by SimpleITK's reckoning, the view is colored so."""
    from TrustSegModule.scene.maps import read_colors

    nodes.segmentation.GetDisplayNode().SetVisibility(False)
    nodes.maps[ERROR_MAP].GetNodeReference("TrustSeg.Legend").SetVisibility(False)
    view.composite.SetForegroundOpacity(1.0)
    index = np.unravel_index(np.argmax(error), error.shape)
    point = as_sitk(error, ijk_to_lps(image)).TransformIndexToPhysicalPoint([int(n) for n in index[::-1]])
    ras = tuple(LPS * point)
    view.fit()
    view.jump_to(ras)
    row, column = view.pixel_of(ras)
    color = 255 * read_colors("Inferno")[min(round(error[index] / 0.5 * 255), 255)]
    np.testing.assert_allclose(view.grab()[row, column], color, atol=4)


def test_result_follows_the_transform_of_the_image(panel, image, scene, application):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    matrix = np.eye(4)
    matrix[:3, 3] = 30, -10, 5
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    segment(panel)
    image.SetAndObserveTransformNodeID(transform.GetID())
    segment(panel)
    nodes = results(image)
    assert {node.GetTransformNodeID() for node in nodes.all} == {transform.GetID()}
    bounds, moved = [0.0] * 6, [0.0] * 6
    image.GetRASBounds(bounds)
    nodes.maps[ERROR_MAP].GetRASBounds(moved)
    assert moved == pytest.approx(bounds)
    error = slicer.util.arrayFromVolume(nodes.maps[ERROR_MAP])
    view = application.slice_view("Red")
    highest = np.unravel_index(np.argmax(error), error.shape)
    from TrustSegModule.scene.geometry import ijk_to_ras

    ras = tuple((matrix @ ijk_to_ras(image) @ (*highest[::-1], 1))[:3])
    nodes.segmentation.GetDisplayNode().SetVisibility(False)
    nodes.maps[ERROR_MAP].GetNodeReference("TrustSeg.Legend").SetVisibility(False)
    view.composite.SetForegroundOpacity(1.0)
    view.fit()
    view.jump_to(ras)
    row, column = view.pixel_of(ras)
    assert view.grab()[row, column].astype(int).max() > 200
