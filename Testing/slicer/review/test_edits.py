"""The Segment Editor is set up for the place, and left as it was."""

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


def test_the_brush_changes_voxels_that_the_overlay_does_not_color(scene, image):
    from TrustSegModule.review import edits
    from TrustSegModule.scene import overlay

    nodes = put_calibrated(image)
    (error,) = nodes.maps.values()
    overlay.set_threshold(error, 0.2)
    edits.edit(scene, nodes.segmentation, "Segment_2", image, error)
    editor = editor_of(scene)
    assert editor.GetSegmentationNode() is nodes.segmentation
    assert editor.GetSelectedSegmentID() == "Segment_2"
    assert editor.GetSourceVolumeNode() is error
    assert editor.GetSourceVolumeIntensityMask()
    assert editor.GetSourceVolumeIntensityMaskRange() == pytest.approx((0.2, 1.0))
    assert editor.GetActiveEffectName() == "Paint"


def test_a_second_edit_makes_a_second_editor_or_keeps_the_zone(scene, image):
    from TrustSegModule.review import edits

    nodes = put_calibrated(image)
    (error,) = nodes.maps.values()
    first = edits.edit(scene, nodes.segmentation, "Segment_2", image, error)
    assert edits.edit(scene, nodes.segmentation, "Segment_1", image, None) is first
    assert not first.GetSourceVolumeIntensityMask()
    assert first.GetSourceVolumeNode() is image
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 1


def test_the_zone_stays_for_whoever_edits_next(scene, image):
    from TrustSegModule.review import edits

    nodes = put_calibrated(image)
    edits.edit(scene, nodes.segmentation, "Segment_2", image, *nodes.maps.values())
    edits.leave(scene)
    editor = editor_of(scene)
    assert not editor.GetSourceVolumeIntensityMask()
    assert editor.GetSourceVolumeNode() is image
    assert not editor.GetActiveEffectName()


def test_a_mask_that_a_person_has_set_is_taken_away(scene, image):
    from TrustSegModule.review import edits

    nodes = put_calibrated(image)
    editor = edits.edit(scene, nodes.segmentation, "Segment_2", image, None)
    edits.leave(scene)
    editor.SetSourceVolumeIntensityMask(True)
    edits.leave(scene)
    assert editor.GetSourceVolumeIntensityMask()
