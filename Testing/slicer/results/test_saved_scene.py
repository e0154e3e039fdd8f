"""A scene that was saved and loaded shows the same result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
import slicer
from panel_runs import mask
from scene_samples import MODEL, load_volume, sample_result

ERROR = "error_probability"


def save_and_load(application, folder: Path) -> None:
    path = folder / "Fälle 1.mrb"
    application.save_scene(path)
    application.scene.Clear(0)
    assert application.scene.GetFirstNodeByName("MR") is None
    application.load_scene(path)


def test_loaded_scene_looks_as_saved(application, scene, tmp_path):
    from TrustSegModule.results.nodes import find_results, put_result, report_of
    from TrustSegModule.scene import overlay, surface

    view, result = application.slice_view("Red"), sample_result("entropy")
    application.three_d_view()
    image = load_volume(scene)
    nodes = put_result(scene, image, result, MODEL)
    overlay.show(scene, nodes.maps[ERROR], image, opacity=0.7)
    overlay.set_threshold(nodes.maps[ERROR], 0.15)
    surface.color_by(scene, nodes.segmentation, nodes.maps[ERROR])
    surface.show(scene, nodes.segmentation, True)
    overlay.set_color_map(scene, nodes.maps[ERROR], "Cividis")
    view.fit()
    before = view.grab()
    save_and_load(application, tmp_path)

    image = scene.GetFirstNodeByName("MR")
    nodes = find_results(scene, image)
    assert set(nodes.maps) == {ERROR, "entropy"}
    assert report_of(nodes.segmentation) == result.report
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(nodes.maps[ERROR]), result.maps[ERROR])
    np.testing.assert_array_equal(mask(nodes.segmentation), result.labels)
    display = nodes.maps[ERROR].GetDisplayNode()
    assert display.GetColorNode().GetName() == "TrustSeg Cividis"
    assert display.GetLowerThreshold() == pytest.approx(0.15)
    assert overlay.is_shown(scene, nodes.maps[ERROR])
    assert view.composite.GetForegroundOpacity() == pytest.approx(0.7)
    assert surface.is_shown(nodes.segmentation)
    assert np.abs(view.grab().astype(int) - before).max() <= 2


def test_loaded_result_can_be_changed_and_replaced(application, scene, tmp_path):
    from TrustSegModule.results.nodes import find_results, put_result
    from TrustSegModule.scene import overlay, surface

    view = application.slice_view("Red")
    pet = load_volume(scene, name="PET")
    view.composite.SetForegroundVolumeID(pet.GetID())
    image = load_volume(scene)
    nodes = put_result(scene, image, sample_result(), MODEL)
    overlay.show(scene, nodes.maps[ERROR], image)
    save_and_load(application, tmp_path)

    image = scene.GetFirstNodeByName("MR")
    nodes = find_results(scene, image)
    overlay.set_color_map(scene, nodes.maps[ERROR], "Inferno")
    tables = scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")
    overlay.show(scene, nodes.maps[ERROR], image)
    surface.show(scene, nodes.segmentation, True)
    count = scene.GetNumberOfNodesByClass("vtkMRMLDisplayNode")
    assert put_result(scene, image, sample_result(), MODEL) == nodes
    assert scene.GetNumberOfNodesByClass("vtkMRMLDisplayNode") == count
    assert scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode") == tables
    assert scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode") == 1
    overlay.hide(scene, nodes.maps[ERROR])
    assert view.composite.GetForegroundVolumeID() == scene.GetFirstNodeByName("PET").GetID()


def test_saved_mask_is_read_by_simpleitk(application, scene, tmp_path):
    """The saved `.seg.nrrd`, read by SimpleITK: voxels, place, names, tags."""
    from TrustSegModule.results import nodes

    image, result = load_volume(scene), sample_result()
    segmentation = nodes.put_result(scene, image, result, MODEL).segmentation
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "mask.seg.nrrd"))
    assert storage.WriteData(segmentation)
    written = sitk.ReadImage(str(tmp_path / "mask.seg.nrrd"))
    size, start = written.GetSize(), written.TransformIndexToPhysicalPoint((0, 0, 0))
    whole = itk_labels(image, result.labels)
    first = whole.TransformPhysicalPointToIndex(start)
    part = sitk.GetArrayFromImage(whole[tuple(slice(a, a + b) for a, b in zip(first, size, strict=True))])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), part)
    assert (part > 0).sum() == (result.labels > 0).sum()
    for index, structure in enumerate(MODEL["structures"]):
        assert written.GetMetaData(f"Segment{index}_Name") == structure["name"]
        assert written.GetMetaData(f"Segment{index}_LabelValue") == str(structure["label"])
        tags = written.GetMetaData(f"Segment{index}_Tags")
        assert "DICOM.SegmentAlgorithmType:AUTOMATIC" in tags
        assert "SCT^5366008^Hippocampus" in tags


def itk_labels(image, labels: np.ndarray) -> sitk.Image:
    from TrustSegModule.scene.inputs import request_geometry

    result, geometry = sitk.GetImageFromArray(labels), request_geometry(image)
    result.SetSpacing(geometry.spacing)
    result.SetOrigin(geometry.origin)
    result.SetDirection(geometry.direction)
    return result
