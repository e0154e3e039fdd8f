"""The Segment Editor, set up to change a mask only where the model is unsure."""

from __future__ import annotations

import slicer

from TrustSegModule.map_scale import scale_of

EDITOR_TAG = "SegmentEditor"
"""The module Segment Editor works with the one node of this tag."""
IMAGE_ROLE = "TrustSeg.EditedImage"


def edit(
    scene: slicer.vtkMRMLScene,
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    segment: str,
    image: slicer.vtkMRMLScalarVolumeNode,
    zone: slicer.vtkMRMLScalarVolumeNode | None,
) -> slicer.vtkMRMLSegmentEditorNode:
    """Choose a segment and a brush that changes only the voxels that the overlay colors.

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
        # The editor's intensity mask looks at its source volume, so for the time of the edit that is the map.
        editor.SetAndObserveSourceVolumeNode(image if zone is None else zone)
        editor.SetNodeReferenceID(IMAGE_ROLE, image.GetID())
        editor.SetSourceVolumeIntensityMask(zone is not None)
        if zone is not None:
            lowest = zone.GetDisplayNode().GetLowerThreshold()
            editor.SetSourceVolumeIntensityMaskRange(lowest, scale_of(zone).limit)
        editor.SetActiveEffectName("Paint")
    return editor


def leave(scene: slicer.vtkMRMLScene) -> None:
    """Undo what `edit` has set up, if it has: whoever edits something else is not to be held back."""
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
