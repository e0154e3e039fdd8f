"""The segments carry names, colors, SNOMED terms and the tags that Slicer's DICOM SEG export reads."""

from __future__ import annotations

import copy

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
import vtk
from scene_samples import MODEL, load_volume, made_up_result, sample_result


def put(scene, result=None, model=MODEL):
    from TrustSegModule.results import nodes

    return nodes.put_result(scene, load_volume(scene), result or sample_result(), model).segmentation


def tag(segment, name: str) -> str:
    value = vtk.mutable("")
    assert segment.GetTag(name, value), f"no tag {name}"
    return str(value)


def entry(segment) -> list[list[str]]:
    """Split a segment's terms as Slicer writes them: context, category, type, modifier, and the region's."""
    return [part.split("^") for part in tag(segment, segment.GetTerminologyEntryTagName()).split("~")]


def test_segment_has_name_color_and_terms_of_the_model(scene):
    segmentation = put(scene).GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 2
    for index, structure in enumerate(MODEL["structures"]):
        segment = segmentation.GetNthSegment(index)
        assert segment.GetName() == structure["name"]
        assert segment.GetColor() == pytest.approx([part / 255 for part in structure["color"]])
        context, category, kind, modifier, *_ = entry(segment)
        assert context == ["Segmentation category and type - 3D Slicer General Anatomy list"]
        for found, part in ((category, "category"), (kind, "type"), (modifier, "type_modifier")):
            expected = structure["terminology"][part]
            assert found == [expected["scheme"], expected["code"], expected["meaning"]]


def test_segments_are_tagged_as_automatic_for_dicom(scene):
    segment = put(scene).GetSegmentation().GetNthSegment(0)
    assert tag(segment, "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
    assert tag(segment, "DICOM.SegmentAlgorithmName") == f"TrustSeg hippocampus-t1 {MODEL['version']}"


def test_terminology_entry_keeps_the_anatomic_region(scene):
    model = copy.deepcopy(MODEL)
    model["structures"][0]["terminology"]["region"] = {
        "scheme": "SCT",
        "code": "12738006",
        "meaning": "Brain",
    }
    *_, region, region_modifier = entry(put(scene, model=model).GetSegmentation().GetNthSegment(0))
    assert region == ["SCT", "12738006", "Brain"]
    assert region_modifier == ["", "", ""]


def test_empty_structure_has_a_segment(scene):
    result = sample_result()
    result.labels[result.labels == 2] = 0
    node = put(scene, result)
    assert node.GetSegmentation().GetNumberOfSegments() == 2
    assert voxels(node, "Segment_2").sum() == 0


def test_empty_mask_gives_empty_segments(scene):
    node = put(scene, made_up_result(np.ones((37, 52, 35), np.uint8)))
    assert voxels(node, "Segment_1").all()
    scene.Clear(0)
    result = sample_result()
    result.labels[:] = 0
    assert not voxels(put(scene, result), "Segment_1").any()


def test_segments_hold_the_voxels_of_the_labels(scene):
    node, labels = put(scene), sample_result().labels
    for structure in MODEL["structures"]:
        found = voxels(node, f"Segment_{structure['label']}")
        np.testing.assert_array_equal(found, labels == structure["label"])


def test_segments_are_cropped_to_the_structures(scene):
    """A large image with a small structure: its surface would be made of all voxels."""
    labels = np.zeros(sample_result().labels.shape, np.uint8)
    labels[20:24, 10:13, 5] = 1
    node = put(scene, made_up_result(labels))
    labelmap = node.GetSegmentation().GetSegment("Segment_1").GetRepresentation("Binary labelmap")
    assert labelmap.GetExtent() == (4, 6, 9, 13, 19, 24)
    np.testing.assert_array_equal(voxels(node, "Segment_1"), labels == 1)


def test_reference_geometry_is_that_of_the_image(scene):
    node = put(scene)
    image = scene.GetFirstNodeByName("MR")
    role = node.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReferenceID(role) == image.GetID()
    parameter = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    assert node.GetSegmentation().GetConversionParameter(parameter)


def voxels(node, segment_id: str) -> np.ndarray:
    """Return one segment on the grid of the image, as Slicer exports it."""
    from vtk.util.numpy_support import vtk_to_numpy

    converter = slicer.vtkSegmentationConverter
    geometry = node.GetSegmentation().GetConversionParameter(
        converter.GetReferenceImageGeometryParameterName()
    )
    image, whole, result = (slicer.vtkOrientedImageData() for _ in range(3))
    converter.DeserializeImageGeometry(geometry, whole)
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(image, whole, result)
    scalars = vtk_to_numpy(result.GetPointData().GetScalars())
    return scalars.reshape(whole.GetDimensions()[::-1]) > 0
