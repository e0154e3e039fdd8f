"""The Segment Editor is set up for a region, and restored afterwards."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer")
import slicer
from review_samples import put_calibrated
from scene_samples import load_volume


@pytest.fixture
def image(scene, monkeypatch):
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    return load_volume(scene)


def editor_of(scene):
    return scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")


def test_brush_is_limited_to_the_colored_voxels(scene, image):
    from TrustSegModule.review import edits
    from TrustSegModule.scene import overlay

    nodes = put_calibrated(image)
    (error,) = nodes.maps.values()
    overlay.set_threshold(error, 0.2)
    edits.edit_uncertain(scene, nodes.segmentation, "Segment_2", image, error)
    editor = editor_of(scene)
    assert editor.GetSegmentationNode() is nodes.segmentation
    assert editor.GetSelectedSegmentID() == "Segment_2"
    assert editor.GetSourceVolumeNode() is error
    assert editor.GetSourceVolumeIntensityMask()
    assert editor.GetSourceVolumeIntensityMaskRange() == pytest.approx((0.2, 1.0))
    assert editor.GetActiveEffectName() == "Paint"


def test_second_edit_reuses_the_editor_without_the_zone(scene, image):
    from TrustSegModule.review import edits

    nodes = put_calibrated(image)
    (error,) = nodes.maps.values()
    first = edits.edit_uncertain(scene, nodes.segmentation, "Segment_2", image, error)
    assert edits.edit_uncertain(scene, nodes.segmentation, "Segment_1", image, None) is first
    assert not first.GetSourceVolumeIntensityMask()
    assert first.GetSourceVolumeNode() is image
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 1


def test_leaving_the_editor_removes_the_zone(scene, image):
    from TrustSegModule.review import edits

    nodes = put_calibrated(image)
    edits.edit_uncertain(scene, nodes.segmentation, "Segment_2", image, *nodes.maps.values())
    edits.leave_editor(scene)
    editor = editor_of(scene)
    assert not editor.GetSourceVolumeIntensityMask()
    assert editor.GetSourceVolumeNode() is image
    assert not editor.GetActiveEffectName()


def test_leaving_the_editor_keeps_an_intensity_mask_of_the_user(scene, image):
    from TrustSegModule.review import edits

    nodes = put_calibrated(image)
    editor = edits.edit_uncertain(scene, nodes.segmentation, "Segment_2", image, None)
    edits.leave_editor(scene)
    editor.SetSourceVolumeIntensityMask(True)
    edits.leave_editor(scene)
    assert editor.GetSourceVolumeIntensityMask()
