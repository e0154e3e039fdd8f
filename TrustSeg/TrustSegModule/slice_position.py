"""Where the slice views look."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def jump_to(scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode) -> None:
    """Put the middle of the mask into the middle of every slice view; an empty mask moves none.

    The middle is a voxel of the mask, the nearest to its center: so every view shows some of it, also where
    the mask has two parts or is bent.

    Parameters
    ----------
    scene : vtkMRMLScene
    segmentation_node : vtkMRMLSegmentationNode
        Of `put_result`: all structures lie in one image.
    """
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    labelmap = segmentation_node.GetSegmentation().GetNthSegment(0).GetRepresentation(name)
    middle = _middle(labelmap)
    if middle is None:
        return
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    world = [0.0] * 3
    segmentation_node.TransformPointToWorld(matrix.MultiplyPoint((*middle, 1.0))[:3], world)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *world, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def _middle(labelmap: slicer.vtkOrientedImageData) -> tuple[int, int, int] | None:
    """Return index (i, j, k) of the mask's voxel that is nearest to the mean of all; None for no voxel."""
    labels = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    shape = labelmap.GetDimensions()[::-1]
    places = np.stack(np.unravel_index(np.flatnonzero(labels), shape))
    if places.size == 0:
        return None
    center = places.mean(axis=1, keepdims=True)
    nearest = places[:, np.argmin(((places - center) ** 2).sum(axis=0))]
    first = labelmap.GetExtent()[::2]
    return tuple(int(index) + start for index, start in zip(nearest[::-1], first, strict=True))
