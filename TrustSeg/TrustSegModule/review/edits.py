"""Edits of the masks by the user, and the Segment Editor limited to where the model is uncertain."""

from __future__ import annotations

import slicer

from TrustSegModule.review.decisions import STRUCTURE, Item, Review
from TrustSegModule.scene.maps import scale_of, upper_threshold
from TrustSegModule.scene.segmentation import (
    ALGORITHM_TYPE_TAG,
    AUTOMATIC,
    SEMIAUTOMATIC,
    MaskFingerprint,
    mask_fingerprints,
    segment_label,
)

EDITOR_TAG = "SegmentEditor"
"""The module Segment Editor works with the one node of this tag."""
IMAGE_ROLE = "TrustSeg.EditedImage"


def follow_edits(review: Review) -> bool:
    """Find masks that have changed since the last call: tag, record and log them.

    A segment is SEMIAUTOMATIC (DICOM's Segment Algorithm Type, 0062,0008) while it differs from the mask of
    the model, and AUTOMATIC again once that is restored.

    Returns
    -------
    bool
        Whether any has changed.
    """
    now, before, automatic = mask_fingerprints(review.node), review.current, review.automatic
    changed = [segment for segment in now if segment in before and now[segment] != before[segment]]
    if not changed:
        return False
    review.set_current({**before, **now})
    for segment in changed:
        _follow(review, segment, before[segment], now[segment], now[segment] == automatic[segment])
    if review.editing is not None and review.editing.kind != STRUCTURE:
        review.mark_edited(review.editing, bool(edited_volumes(review)))
    return True


def edited_volumes(review: Review) -> dict[int, float]:
    """Return the volumes in ml of the structures that differ from the masks of the model, by label."""
    automatic = review.automatic
    return {
        segment_label(segment): seen.volume_ml
        for segment, seen in review.current.items()
        if seen != automatic.get(segment)
    }


def _follow(
    review: Review, segment_id: str, before: MaskFingerprint, now: MaskFingerprint, restored: bool
) -> None:
    segment = review.node.GetSegmentation().GetSegment(segment_id)
    segment.SetTag(ALGORITHM_TYPE_TAG, AUTOMATIC if restored else SEMIAUTOMATIC)
    item = Item(STRUCTURE, segment_label(segment_id))
    review.mark_edited(item, not restored)
    volumes = f"{segment.GetName()}: {before.volume_ml:.3f} ml -> {now.volume_ml:.3f} ml"
    review.log("restore" if restored else "edit", item, volumes)


def edit_uncertain(
    scene: slicer.vtkMRMLScene,
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    segment: str,
    image: slicer.vtkMRMLScalarVolumeNode,
    zone: slicer.vtkMRMLScalarVolumeNode | None,
) -> slicer.vtkMRMLSegmentEditorNode:
    """Choose a segment and a brush that changes only voxels colored by the overlay.

    Parameters
    ----------
    scene : vtkMRMLScene
    segmentation_node : vtkMRMLSegmentationNode
    segment : str
        ID of the segment to change.
    image : vtkMRMLScalarVolumeNode
        What was segmented.
    zone : vtkMRMLScalarVolumeNode or None
        The uncertainty map: voxels from its display threshold on can be changed; None for all voxels.

    Returns
    -------
    vtkMRMLSegmentEditorNode
    """
    editor = _editor(scene)
    with slicer.util.NodeModify(editor):
        editor.SetAndObserveSegmentationNode(segmentation_node)
        editor.SetSelectedSegmentID(segment)
        # The editor's intensity mask applies to its source volume: during the edit that is the map.
        editor.SetAndObserveSourceVolumeNode(image if zone is None else zone)
        editor.SetNodeReferenceID(IMAGE_ROLE, image.GetID())
        editor.SetSourceVolumeIntensityMask(zone is not None)
        if zone is not None:
            lowest = zone.GetDisplayNode().GetLowerThreshold()
            editor.SetSourceVolumeIntensityMaskRange(lowest, upper_threshold(scale_of(zone)))
        editor.SetActiveEffectName("Paint")
    return editor


def leave_editor(scene: slicer.vtkMRMLScene) -> None:
    """Undo what `edit_uncertain` has set up, if it has, so that other edits are not restricted."""
    editor = scene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
    if editor is None or editor.GetNodeReferenceID(IMAGE_ROLE) is None:
        return
    with slicer.util.NodeModify(editor):
        editor.SetActiveEffectName("")
        editor.SetSourceVolumeIntensityMask(False)
        editor.SetAndObserveSourceVolumeNode(editor.GetNodeReference(IMAGE_ROLE))
        editor.SetNodeReferenceID(IMAGE_ROLE, None)


def _editor(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLSegmentEditorNode:
    editor = scene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
    if editor is None:
        editor = slicer.vtkMRMLSegmentEditorNode()
        editor.SetSingletonTag(EDITOR_TAG)
        editor = scene.AddNode(editor)
    return editor
