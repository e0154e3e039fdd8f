"""The region to segment: a box that the user drew, in the frame of the image."""

from __future__ import annotations

import itertools

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from TrustSegModule.errors import SceneError
from TrustSegModule.geometry import ijk_to_ras

STEPS = 5
"""Points per edge of a box: a nonlinear transform bends its edges, so corners alone are not its bounds."""


def roi_text(roi_node: slicer.vtkMRMLMarkupsROINode, volume_node: slicer.vtkMRMLVolumeNode) -> str:
    """Return the bounds of a box as the worker reads them: `x0,x1,y0,y1,z0,z1`.

    RAS mm in the volume's own frame, that is without its parent transform, which is taken back together with
    that of the box. A box that is rotated there gives its bounds.

    Raises
    ------
    SceneError
        The box is not placed or flat, or lies beside the image.
    """
    names = {"roi": roi_node.GetName(), "volume": volume_node.GetName()}
    if roi_node.GetNumberOfDefinedControlPoints() == 0 or min(roi_node.GetSize()) <= 0:
        raise SceneError(_("'{roi}' is not a box yet: draw it, or move its handles").format(**names))
    points = _to_frame_of(volume_node, roi_node, _box_points(roi_node))
    low, high = points.min(axis=0), points.max(axis=0)
    corners = _voxel_corners(volume_node)
    if (low > corners.max(axis=0)).any() or (high < corners.min(axis=0)).any():
        raise SceneError(_("'{roi}' lies beside '{volume}': move the box onto the image").format(**names))
    return ",".join(f"{bound:.3f}" for pair in zip(low, high, strict=True) for bound in pair)


def place(roi_node: slicer.vtkMRMLMarkupsROINode, volume_node: slicer.vtkMRMLVolumeNode) -> None:
    """Put a box that is nowhere yet around the image: its handles can then be drawn to the region."""
    if roi_node.GetNumberOfDefinedControlPoints() == 0 and volume_node.GetImageData() is not None:
        bounds = np.zeros(6)
        volume_node.GetRASBounds(bounds)
        low, high = bounds[::2], bounds[1::2]
        roi_node.SetCenterWorld(*(low + high) / 2)
        roi_node.SetSizeWorld(*(high - low))


def _box_points(roi_node: slicer.vtkMRMLMarkupsROINode) -> np.ndarray:
    """Return points on and in the box, (N, 3), in the frame of the ROI node."""
    matrix = slicer.util.arrayFromVTKMatrix(roi_node.GetObjectToNodeMatrix())
    ranges = [np.linspace(-size / 2, size / 2, STEPS) for size in roi_node.GetSize()]
    points = np.array(list(itertools.product(*ranges)))
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _to_frame_of(
    volume_node: slicer.vtkMRMLVolumeNode, roi_node: slicer.vtkMRMLMarkupsROINode, points: np.ndarray
) -> np.ndarray:
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        roi_node.GetParentTransformNode(), volume_node.GetParentTransformNode(), transform
    )
    return np.array([transform.TransformPoint(point) for point in points])


def _voxel_corners(volume_node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """Return the centers of the eight outermost voxels, (8, 3), RAS mm."""
    last = [size - 1 for size in volume_node.GetImageData().GetDimensions()]
    corners = np.array([(*ijk, 1) for ijk in itertools.product(*((0, index) for index in last))])
    return (corners @ ijk_to_ras(volume_node).T)[:, :3]
