"""Positions of the views: a point, a region, or the middle of a mask."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
import slicer
import vtk

from TrustSegModule.scene.geometry import image_voxels, run_steps
from TrustSegModule.scene.nodes import nodes_of_class
from TrustSegModule.scene.segmentation import binary_labelmap

Point = tuple[float, float, float]

MIDDLE_ATTRIBUTE = "TrustSeg.Middle"
Index = tuple[int, int, int]


def world_position(node: slicer.vtkMRMLTransformableNode, ras_mm: Sequence[float]) -> Point:
    """Return where a point of a node lies in the scene, in RAS mm."""
    world = [0.0] * 3
    node.TransformPointToWorld(list(ras_mm), world)
    return tuple(world)


def go_to(scene: slicer.vtkMRMLScene, point: Point) -> None:
    """Center all slice views and 3D views on a point, and put the crosshair there.

    Parameters
    ----------
    scene : vtkMRMLScene
    point : 3 floats
        In RAS mm of the scene.
    """
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *point, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    for crosshair in nodes_of_class(scene, "vtkMRMLCrosshairNode"):
        _mark(crosshair, point)
    for camera in nodes_of_class(scene, "vtkMRMLCameraNode"):
        _look_at(camera, point)


def _mark(crosshair: slicer.vtkMRMLCrosshairNode, point: Point) -> None:
    with slicer.util.NodeModify(crosshair):
        crosshair.SetCrosshairRAS(list(point))
        # Small: lines through the whole view would cover the region.
        if crosshair.GetCrosshairMode() == slicer.vtkMRMLCrosshairNode.NoCrosshair:
            crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.ShowSmallBasic)


def _look_at(camera: slicer.vtkMRMLCameraNode, point: Point) -> None:
    """Move the camera along, with the same direction and distance as before."""
    focus, position = camera.GetFocalPoint(), camera.GetPosition()
    with slicer.util.NodeModify(camera):
        camera.SetPosition(*(p + q - f for p, q, f in zip(position, point, focus, strict=True)))
        camera.SetFocalPoint(*point)
    camera.ResetClippingRange()


def keep_middle(
    segmentation_node: slicer.vtkMRMLSegmentationNode, middle: tuple[int, int, int] | None
) -> None:
    """Store in a node which voxel (i, j, k) is the middle of its mask; None for an empty mask."""
    text = None if middle is None else " ".join(map(str, middle))
    segmentation_node.SetAttribute(MIDDLE_ATTRIBUTE, text)


def jump_to(scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode) -> None:
    """Center every slice view on the middle of a new mask; an empty mask moves none.

    The middle is a voxel of the mask, so that every view shows some of it.

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
    labelmap = binary_labelmap(segmentation_node.GetSegmentation().GetNthSegment(0))
    world = _world(segmentation_node, labelmap, index)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *world, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def segment_middle(segmentation_node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> Point | None:
    """Return the voxel in the middle of a segment's current mask.

    Returns
    -------
    tuple of 3 floats or None
        In RAS mm of the scene; None where the mask is empty, or the segment was removed.
    """
    segment = segmentation_node.GetSegmentation().GetSegment(segment_id)
    labelmap = None if segment is None else binary_labelmap(segment)
    if labelmap is None or labelmap.GetPointData().GetScalars() is None:
        return None
    labels = image_voxels(labelmap)
    middle = run_steps(middle_steps(labels == segment.GetLabelValue()))
    if middle is None:
        return None
    # The image holds a part of the grid, which begins at its extent.
    index = [place + first for place, first in zip(middle, labelmap.GetExtent()[::2], strict=True)]
    return _world(segmentation_node, labelmap, index)


def _world(segmentation_node: slicer.vtkMRMLSegmentationNode, labelmap, index: list[float]) -> Point:
    matrix, world = vtk.vtkMatrix4x4(), [0.0] * 3
    labelmap.GetImageToWorldMatrix(matrix)
    segmentation_node.TransformPointToWorld(matrix.MultiplyPoint((*index, 1.0))[:3], world)
    return tuple(world)


def middle_steps(labels: np.ndarray) -> Generator[None, None, Index | None]:
    """Find the voxel of a mask that is nearest to its centroid, a slice per step.

    It is a voxel of the mask also where the mask has two parts or is bent.

    Parameters
    ----------
    labels : ndarray (D, H, W)
        0 is background.

    Returns
    -------
    tuple of 3 ints or None
        (i, j, k); None for an empty mask.
    """
    count, total = 0, np.zeros(3)
    for k, plane in enumerate(labels):
        places = _places(plane)
        count += len(places)
        total += (*places.sum(axis=0), k * len(places))
        yield
    return None if count == 0 else (yield from _nearest_steps(labels, total / count))


def _nearest_steps(labels: np.ndarray, center: np.ndarray) -> Generator[None, None, Index]:
    """Search the slices in the order of their distance, until none can hold a nearer voxel."""
    best, found = np.inf, (0, 0, 0)
    for k in sorted(range(len(labels)), key=lambda index: abs(index - center[2])):
        away = (k - center[2]) ** 2
        if away >= best:
            break
        places = _places(labels[k])
        if len(places):
            distances = ((places - center[:2]) ** 2).sum(axis=1) + away
            nearest = distances.argmin()
            if distances[nearest] < best:
                best, found = distances[nearest], (*map(int, places[nearest]), k)
        yield
    return found


def _places(plane: np.ndarray) -> np.ndarray:
    """Return the indices (i, j) of the mask's voxels in a slice (H, W), as (N, 2)."""
    rows, columns = np.divmod(np.flatnonzero(plane != 0), plane.shape[1])
    return np.column_stack([columns, rows])
