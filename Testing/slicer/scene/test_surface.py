"""The mask in 3D, plain or colored by the map."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
import slicer
from scene_samples import MODEL, load_volume, sample_result
from vtk.util.numpy_support import vtk_to_numpy

from TrustSegLib.contract import RAW_TITLE

CLOSED_SURFACE = "Closed surface"


@pytest.fixture
def case(application, scene):
    """An image with a result: `(scene, image, segmentation, error map)`."""
    from TrustSegModule.results.nodes import put_result

    image = load_volume(scene)
    nodes = put_result(scene, image, sample_result(), MODEL)
    return scene, image, nodes.segmentation, nodes.maps["error_probability"]


def model_of(segmentation):
    return segmentation.GetNodeReference("TrustSeg.Surface")


def plain_is_visible(segmentation) -> bool:
    made = segmentation.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE)
    return bool(made and segmentation.GetDisplayNode().GetVisibility3D())


def test_surface_is_not_computed_while_hidden(case):
    from TrustSegModule.scene import surface

    scene, _, segmentation, error_map = case
    assert not surface.is_colored(segmentation)
    surface.color_by(scene, segmentation, error_map)
    assert surface.is_colored(segmentation)
    surface.show(scene, segmentation, False)
    assert not segmentation.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE)
    assert model_of(segmentation) is None
    assert not surface.is_shown(segmentation)


def test_plain_surface_is_shown_and_hidden(case):
    from TrustSegModule.scene import surface

    scene, _, segmentation, _ = case
    surface.show(scene, segmentation, True)
    assert plain_is_visible(segmentation)
    assert surface.is_shown(segmentation)
    surface.show(scene, segmentation, False)
    assert not plain_is_visible(segmentation)
    assert not surface.is_shown(segmentation)


def test_either_the_plain_or_the_colored_surface_is_shown(case):
    from TrustSegModule.scene import surface

    scene, _, segmentation, error_map = case
    surface.show(scene, segmentation, True)
    surface.color_by(scene, segmentation, error_map)
    assert not plain_is_visible(segmentation)
    assert model_of(segmentation).GetDisplayNode().GetVisibility()
    surface.show(scene, segmentation, False)
    assert not surface.is_shown(segmentation)
    surface.show(scene, segmentation, True)
    assert surface.is_shown(segmentation)
    surface.color_by(scene, segmentation, None)
    assert plain_is_visible(segmentation)
    assert not model_of(segmentation).GetDisplayNode().GetVisibility()


def test_surface_has_the_map_values_at_its_points(case):
    from TrustSegModule.scene import surface

    scene, image, segmentation, error_map = case
    surface.color_by(scene, segmentation, error_map)
    surface.show(scene, segmentation, True)
    mesh = model_of(segmentation).GetMesh()
    points = vtk_to_numpy(mesh.GetPoints().GetData()).astype(float)
    scalars = mesh.GetPointData().GetArray(RAW_TITLE)
    found = vtk_to_numpy(scalars)
    itk_map = itk_image(image, sample_result().maps["error_probability"])
    values = np.array(
        [itk_map.EvaluateAtPhysicalPoint(lps(point), sitk.sitkLinear) for point in points[::50]]
    )
    assert len(values) > 20
    np.testing.assert_allclose(found[::50], values, atol=0.0005)
    display = model_of(segmentation).GetDisplayNode()
    assert display.GetActiveScalarName() == RAW_TITLE
    assert display.GetScalarRange() == pytest.approx((0, 0.5))
    assert display.GetColorNode().GetName() == "TrustSeg Inferno"


def itk_image(image, array: np.ndarray) -> sitk.Image:
    from TrustSegModule.scene.inputs import request_geometry

    result, geometry = sitk.GetImageFromArray(array), request_geometry(image)
    result.SetSpacing(geometry.spacing)
    result.SetOrigin(geometry.origin)
    result.SetDirection(geometry.direction)
    return result


def lps(ras: np.ndarray) -> list[float]:
    return (ras * [-1, -1, 1]).tolist()


def test_points_beyond_the_border_get_its_values(case):
    """The surface reaches half a voxel beyond the outermost voxel centers."""
    from TrustSegModule.scene import surface
    from TrustSegModule.scene.geometry import ijk_to_ras

    _, image, _, error_map = case
    values = slicer.util.arrayFromVolume(error_map)
    values[:], values[0, 0, 0] = 0.125, 0.25
    corner = (ijk_to_ras(image) @ (-0.5, -0.5, -0.5, 1))[:3]
    assert surface.sample(error_map, np.array([corner])) == pytest.approx([0.25])


def test_empty_mask_gives_an_empty_surface(case):
    from TrustSegModule.results import nodes
    from TrustSegModule.scene import surface

    scene, image, segmentation, error_map = case
    result = sample_result()
    result.labels[:] = 0
    nodes.put_result(scene, image, result, MODEL)
    surface.color_by(scene, segmentation, error_map)
    surface.show(scene, segmentation, True)
    assert model_of(segmentation).GetMesh().GetNumberOfPoints() == 0


def test_second_run_updates_the_surface(case):
    from TrustSegModule.results import nodes
    from TrustSegModule.scene import surface

    scene, image, segmentation, error_map = case
    surface.color_by(scene, segmentation, error_map)
    surface.show(scene, segmentation, True)
    before = model_of(segmentation).GetMesh().GetNumberOfPoints()
    result = sample_result()
    result.labels[result.labels == 1] = 0
    nodes.put_result(scene, image, result, MODEL)
    assert 0 < model_of(segmentation).GetMesh().GetNumberOfPoints() < before
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_surface_has_the_colors_of_the_map_and_a_legend_in_3d_only(case, application):
    from TrustSegModule.scene import overlay, surface
    from TrustSegModule.scene.maps import read_colors

    scene, _, segmentation, error_map = case
    view, red = application.three_d_view(), application.slice_view("Red")
    slicer.util.arrayFromVolume(error_map)[:] = 0.4
    surface.show(scene, segmentation, True)
    surface.color_by(scene, segmentation, error_map)
    overlay.set_color_map(scene, error_map, "Viridis")
    view.fit()
    model_of(segmentation).GetDisplayNode().LightingOff()
    pixels = view.grab().astype(int)
    expected = read_colors("Viridis")[204] * 255
    assert (np.abs(pixels - expected).max(axis=-1) <= 2).sum() > 200
    legend = model_of(segmentation).GetNodeReference("TrustSeg.Legend")
    assert legend.GetTitleText() == RAW_TITLE
    assert legend.GetVisibility(view.node.GetID())
    assert not legend.GetVisibility(red.node.GetID())
    drawn = view.legend_actor(legend).GetLookupTable().GetTableValue(255)[:3]
    assert drawn == pytest.approx(read_colors("Viridis")[255], abs=1 / 255)
