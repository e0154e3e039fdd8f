"""Where the slice views look."""

from __future__ import annotations

import slicer


def jump_to(scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode) -> None:
    """Put the middle of the mask into the middle of every slice view; an empty mask moves none.

    Parameters
    ----------
    scene : vtkMRMLScene
    segmentation_node : vtkMRMLSegmentationNode
    """
    bounds = [0.0] * 6
    segmentation_node.GetRASBounds(bounds)
    if bounds[0] > bounds[1]:
        return
    center = [(low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *center, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
