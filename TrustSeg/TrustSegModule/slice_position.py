"""The middle of a mask, and the slice views there."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from TrustSegModule.mask_middle import middle_steps

MIDDLE_ATTRIBUTE = "TrustSeg.Middle"

Point = tuple[float, float, float]


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
    index = [float(number) for number in middle.split()]
    labelmap = _labelmap(segmentation_node.GetSegmentation().GetNthSegment(0))
    world = _world(segmentation_node, labelmap, index)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *world, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def segment_middle(segmentation_node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> Point | None:
    """Return the voxel in the middle of one segment's mask as it is now.

    Returns
    -------
    tuple of 3 floats or None
        In RAS mm of the scene; None where the mask is empty, or the segment was removed.
    """
    segment = segmentation_node.GetSegmentation().GetSegment(segment_id)
    labelmap = None if segment is None else _labelmap(segment)
    if labelmap is None or labelmap.GetPointData().GetScalars() is None:
        return None
    labels = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])
    middle = _last(middle_steps(labels == segment.GetLabelValue()))
    if middle is None:
        return None
    # The image holds a part of the grid, which begins at its extent.
    index = [place + first for place, first in zip(middle, labelmap.GetExtent()[::2], strict=True)]
    return _world(segmentation_node, labelmap, index)


def _labelmap(segment: slicer.vtkSegment) -> slicer.vtkOrientedImageData | None:
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    return segment.GetRepresentation(name)


def _world(segmentation_node: slicer.vtkMRMLSegmentationNode, labelmap, index: list[float]) -> Point:
    matrix, world = vtk.vtkMatrix4x4(), [0.0] * 3
    labelmap.GetImageToWorldMatrix(matrix)
    segmentation_node.TransformPointToWorld(matrix.MultiplyPoint((*index, 1.0))[:3], world)
    return tuple(world)


def _last(steps: Generator[None, None, Any]) -> Any:
    """Take all steps at once and return what they come to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
