"""Where the slice views look."""

from __future__ import annotations

import slicer
import vtk

MIDDLE_ATTRIBUTE = "TrustSeg.Middle"


def keep_middle(
    segmentation_node: slicer.vtkMRMLSegmentationNode, middle: tuple[int, int, int] | None
) -> None:
    """Keep in a node which voxel (i, j, k) is the middle of its mask; None for an empty mask."""
    text = None if middle is None else " ".join(map(str, middle))
    segmentation_node.SetAttribute(MIDDLE_ATTRIBUTE, text)


def jump_to(scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode) -> None:
    """Put the middle of a new mask into the middle of every slice view; an empty mask moves none.

    The middle is a voxel of the mask: so every view shows some of it.

    Parameters
    ----------
    scene : vtkMRMLScene
    segmentation_node : vtkMRMLSegmentationNode
        Of `put_result`: all structures lie in one image.
    """
    middle = segmentation_node.GetAttribute(MIDDLE_ATTRIBUTE)
    if middle is None:
        return
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    labelmap = segmentation_node.GetSegmentation().GetNthSegment(0).GetRepresentation(name)
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    world = [0.0] * 3
    index = [float(number) for number in middle.split()]
    segmentation_node.TransformPointToWorld(matrix.MultiplyPoint((*index, 1.0))[:3], world)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *world, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
