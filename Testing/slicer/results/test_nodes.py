"""The nodes of a result: where they are, what they are called, and that a second run replaces the first."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
import vtk
from scene_samples import MODEL, load_volume, sample_result

ERROR = "error_probability"


def put(scene, image, *maps: str):
    from TrustSegModule.results import nodes as result_nodes

    return result_nodes.put_result(scene, image, sample_result(*maps), MODEL)


def test_nodes_have_names_voxels_and_units_of_the_result(scene):
    image = load_volume(scene, name="Head")
    nodes = put(scene, image, "epistemic")
    error_map = nodes.maps[ERROR]
    assert nodes.segmentation.GetName() == "Head TrustSeg"
    assert {name: node.GetName() for name, node in nodes.maps.items()} == {
        ERROR: "Head uncertainty, raw (not calibrated)",
        "epistemic": "Head epistemic uncertainty",
    }
    assert error_map.GetAttribute("TrustSeg.Map") == ERROR
    assert error_map.GetVoxelValueUnits().GetCodeValue() == "1"
    voxels = slicer.util.arrayFromVolume(error_map)
    assert voxels.dtype == np.float32
    np.testing.assert_array_equal(voxels, sample_result().maps[ERROR])


def test_map_is_named_and_scaled_by_the_model_that_made_it_last(scene):
    """In percent where it is calibrated, as a bare number where it is not; a name by the user stays."""
    from TrustSegModule.results import nodes as result_nodes
    from TrustSegModule.scene.maps import scale_of

    image, calibrated = load_volume(scene, name="Head"), sample_result()
    calibrated.report["calibration"] = {"record": {}, ERROR: {"ece_after": 0.01}}
    node = put(scene, image).maps[ERROR]
    assert (scale_of(node).unit, scale_of(node).factor) == ("", 1)
    assert result_nodes.put_result(scene, image, calibrated, MODEL).maps[ERROR] is node
    assert node.GetName() == "Head error probability"
    assert (scale_of(node).unit, scale_of(node).factor) == ("%", 100)
    node.SetName("Mine")
    put(scene, image)
    assert (node.GetName(), scale_of(node).unit) == ("Mine", "")


def test_map_whose_curve_failed_is_raw_though_the_model_has_a_calibration(scene):
    from TrustSegModule.results import nodes as result_nodes
    from TrustSegModule.scene.maps import scale_of

    failed = sample_result()
    failed.report["calibration"] = {"record": {}, ERROR: None, "volumes": [{"label": 1, "level": 0.9}]}
    node = result_nodes.put_result(scene, load_volume(scene), failed, MODEL).maps[ERROR]
    assert scale_of(node).title == "Uncertainty, raw (not calibrated)"


def test_map_is_a_copy_of_the_received_array(scene):
    from TrustSegModule.results import nodes as result_nodes

    result = sample_result()
    nodes = result_nodes.put_result(scene, load_volume(scene), result, MODEL)
    result.maps[ERROR][:] = 7
    assert slicer.util.arrayFromVolume(nodes.maps[ERROR]).max() <= 0.5


def test_initial_threshold_is_5_percent(scene):

    display = put(scene, load_volume(scene)).maps[ERROR].GetDisplayNode()
    assert display.GetApplyThreshold()
    assert display.GetLowerThreshold() == pytest.approx(0.05)
    assert display.GetUpperThreshold() >= 1
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((0, 0.5))


def test_result_is_found_for_its_image_only(scene):
    from TrustSegModule.results import nodes as result_nodes

    first, second = load_volume(scene, name="A"), load_volume(scene, name="B")
    assert result_nodes.find_results(scene, first) is None
    nodes = put(scene, first)
    assert result_nodes.find_results(scene, first) == nodes
    assert result_nodes.find_results(scene, second) is None
    others = put(scene, second)
    assert others.segmentation is not nodes.segmentation
    assert result_nodes.find_results(scene, first) == nodes
    assert result_nodes.find_results(scene, second) == others


def test_report_is_kept_with_the_nodes(scene):
    from TrustSegModule.results import nodes as result_nodes

    nodes = put(scene, load_volume(scene))
    assert result_nodes.report_of(nodes.segmentation) == sample_result().report


def test_second_run_updates_the_nodes_and_keeps_the_settings(scene):
    from TrustSegModule.results import nodes as result_nodes
    from TrustSegModule.scene import overlay

    image = load_volume(scene)
    nodes = put(scene, image)
    overlay.show(scene, nodes.maps[ERROR], image)
    overlay.set_threshold(nodes.maps[ERROR], 0.2)
    overlay.set_color_map(scene, nodes.maps[ERROR], "Magma")
    nodes.segmentation.SetName("mine")
    count = scene.GetNumberOfNodes()
    result = sample_result()
    result.labels[:] = 1
    result.maps[ERROR][:] = 0.125
    result.report["image"] = "second"
    assert result_nodes.put_result(scene, image, result, MODEL) == nodes
    assert scene.GetNumberOfNodes() == count
    assert result_nodes.report_of(nodes.segmentation)["image"] == "second"
    assert (slicer.util.arrayFromVolume(nodes.maps[ERROR]) == 0.125).all()
    assert nodes.segmentation.GetName() == "mine"
    assert nodes.segmentation.GetSegmentation().GetNumberOfSegments() == 2
    labelmap = (
        nodes.segmentation.GetSegmentation().GetSegment("Segment_1").GetRepresentation("Binary labelmap")
    )
    assert labelmap.GetScalarRange() == (1, 1)
    assert nodes.maps[ERROR].GetDisplayNode().GetLowerThreshold() == pytest.approx(0.2)
    assert nodes.maps[ERROR].GetDisplayNode().GetColorNode().GetName() == "TrustSeg Magma"


def test_second_run_removes_maps_of_the_first(application, scene):
    from TrustSegModule.scene import overlay

    view = application.slice_view("Red")
    image = load_volume(scene)
    entropy = put(scene, image, "entropy").maps["entropy"]
    overlay.show(scene, entropy, image)
    nodes = put(scene, image)
    assert set(nodes.maps) == {ERROR}
    assert not scene.IsNodePresent(entropy)
    assert view.composite.GetForegroundVolumeID() is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode") == 0


def test_second_run_recreates_a_deleted_mask_or_map(scene):
    image = load_volume(scene)
    nodes = put(scene, image)
    scene.RemoveNode(nodes.segmentation)
    again = put(scene, image)
    assert again.maps == nodes.maps
    scene.RemoveNode(again.maps[ERROR])
    assert put(scene, image).segmentation is again.segmentation


def test_result_of_an_image_cropped_meanwhile_is_refused(scene):
    from TrustSegModule.scene.nodes import SceneError

    image = load_volume(scene, name="Head")
    slicer.util.updateVolumeFromArray(image, np.zeros((37, 52, 10), np.float32))
    with pytest.raises(SceneError, match="'Head' was changed while it was segmented"):
        put(scene, image)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_result_is_beside_its_image_in_the_hierarchy(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "P"), "S")
    image = load_volume(scene)
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(image), study)
    for node in put(scene, image).all:
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def rotation(scene):
    transform = vtk.vtkTransform()
    transform.Translate(10, -20, 5)
    transform.RotateX(25)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(transform.GetMatrix())
    return node


def bending(scene):
    grid, displacement = vtk.vtkGridTransform(), vtk.vtkImageData()
    displacement.SetDimensions(3, 3, 3)
    displacement.SetOrigin(-60, -60, -60)
    displacement.SetSpacing(80, 80, 80)
    displacement.AllocateScalars(vtk.VTK_DOUBLE, 3)
    for index in np.ndindex(3, 3, 3):
        for axis in range(3):
            displacement.SetScalarComponentFromDouble(*index, axis, 3.0 * index[axis - 1])
    grid.SetDisplacementGridData(displacement)
    node = scene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformToParent(grid)
    return node


@pytest.mark.parametrize("make", [None, rotation, bending])
def test_result_follows_the_transform_of_the_image(application, scene, make):
    """Seen in a view: the bright half of the image, the map and the mask cover the same pixels."""
    from TrustSegModule.results import nodes as result_nodes
    from TrustSegModule.scene import legend, overlay, surface

    view = application.slice_view("Yellow")
    image, result = load_volume(scene), sample_result()
    voxels = slicer.util.arrayFromVolume(image)
    voxels[:] = np.where(result.labels > 0, 200, 0)
    result.maps[ERROR][:] = np.where(result.labels > 0, 0.5, 0)
    image.GetDisplayNode().AutoWindowLevelOff()
    image.GetDisplayNode().SetWindowLevelMinMax(0, 200)
    image.GetDisplayNode().InterpolateOff()
    transform = make(scene) if make else None
    image.SetAndObserveTransformNodeID(transform and transform.GetID())
    nodes = result_nodes.put_result(scene, image, result, MODEL)
    surface.color_by(scene, nodes.segmentation, nodes.maps[ERROR])
    surface.show(scene, nodes.segmentation, True)
    for node in (*nodes.all, nodes.segmentation.GetNodeReference("TrustSeg.Surface")):
        assert node.GetParentTransformNode() is transform
    nodes.segmentation.GetDisplayNode().SetVisibility(False)
    view.composite.SetBackgroundVolumeID(image.GetID())
    view.fit()
    bright = view.grab()[..., 0] > 128
    overlay.show(scene, nodes.maps[ERROR], image, opacity=1)
    legend.hide_legend(nodes.maps[ERROR])
    top = np.array([252, 255, 164])
    mapped = np.abs(view.grab().astype(int) - top).max(axis=-1) < 8
    overlay.hide(scene, nodes.maps[ERROR])
    assert bright.sum() > 2000
    assert (bright != mapped).mean() < 0.002
    nodes.segmentation.GetDisplayNode().SetVisibility(True)
    overlay.set_outline(nodes.segmentation, False)
    pixels = view.grab().astype(int)
    filled = pixels.max(axis=-1) - pixels.min(axis=-1) > 20
    assert (bright != filled).mean() < 0.02
