"""The image to segment and the region of it: from nodes of the scene to the worker's request."""

from __future__ import annotations

import itertools

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from TrustSegModule.scene.geometry import ImageGeometry, ijk_to_ras, volume_geometry
from TrustSegModule.scene.maps import MAP_ATTRIBUTE
from TrustSegModule.scene.nodes import SceneError, nodes_of_class

BOX_STEPS = 5
"""Points per edge of a box: a nonlinear transform bends its edges, so the corners do not suffice."""
HEADER_TAGS = {"modality": "0008,0060", "body_part": "0018,0015"}
"""DICOM tags by which a model is chosen for an image."""


def images(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Return the volumes of the scene that are images: neither label maps nor uncertainty maps."""
    volumes = nodes_of_class(scene, "vtkMRMLScalarVolumeNode")
    return [
        node
        for node in volumes
        if not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetAttribute(MAP_ATTRIBUTE)
    ]


def first_image(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the first volume of the scene that can be segmented; None where there is none."""
    return next(iter(images(scene)), None)


def is_image(scene: slicer.vtkMRMLScene, volume_node: slicer.vtkMRMLVolumeNode | None) -> bool:
    """Return whether a volume, or None, is one of the scene that can be segmented."""
    return volume_node in images(scene)


def request_geometry(volume_node: slicer.vtkMRMLVolumeNode) -> ImageGeometry:
    """Return the geometry of the voxels: spacing, origin and direction, LPS, in mm.

    Left-handed and oblique axes are fine. Parent transforms are left out: they are for display, and the
    results get the same ones.

    Raises
    ------
    SceneError
        The volume has no voxels, or a geometry that no image has.
    """
    _require_voxels(volume_node)
    return volume_geometry(volume_node)


def image_array(volume_node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """Return the voxels as (C, D, H, W): components are channels; a view of the scene's memory, not a copy.

    Raises
    ------
    SceneError
        The volume has no voxels.
    """
    _require_voxels(volume_node)
    image = volume_node.GetImageData()
    width, height, depth = image.GetDimensions()
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    return np.moveaxis(voxels.reshape(depth, height, width, -1), -1, 0)


def dicom_header(volume_node: slicer.vtkMRMLVolumeNode) -> dict[str, str]:
    """Return modality and part of the body of an image that was loaded from Slicer's DICOM database.

    Returns
    -------
    dict of str to str
        `modality` and `body_part`; without those that the header does not have, and empty for other images.
    """
    instances = (volume_node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)  # A Slicer without its DICOM module has none.
    if not instances or database is None or not database.isOpen:
        return {}
    found = {name: database.instanceValue(instances[0], tag) for name, tag in HEADER_TAGS.items()}
    return {name: value.strip().upper() for name, value in found.items() if value}


def _require_voxels(volume_node: slicer.vtkMRMLVolumeNode) -> None:
    image = volume_node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None or min(image.GetDimensions()) < 1:
        message = _("'{name}' holds no image; load it or choose another volume")
        raise SceneError(message.format(name=volume_node.GetName()))


def roi_text(roi_node: slicer.vtkMRMLMarkupsROINode, volume_node: slicer.vtkMRMLVolumeNode) -> str:
    """Return the bounds of a box as the worker reads them: `x0,x1,y0,y1,z0,z1`.

    RAS mm in the volume's own frame, that is without its parent transform: the one between the two nodes is
    applied. A rotated box gives its bounds.

    Raises
    ------
    SceneError
        The box is not placed or flat, or lies outside the image.
    """
    names = {"roi": roi_node.GetName(), "volume": volume_node.GetName()}
    if roi_node.GetNumberOfDefinedControlPoints() == 0 or min(roi_node.GetSize()) <= 0:
        raise SceneError(_("'{roi}' is not a box yet: draw it, or move its handles").format(**names))
    points = _to_frame_of(volume_node, roi_node, _box_points(roi_node))
    low, high = points.min(axis=0), points.max(axis=0)
    corners = _voxel_corners(volume_node)
    if (low > corners.max(axis=0)).any() or (high < corners.min(axis=0)).any():
        raise SceneError(_("'{roi}' lies outside '{volume}': move the box onto the image").format(**names))
    return ",".join(f"{bound:.3f}" for pair in zip(low, high, strict=True) for bound in pair)


def place_box(roi_node: slicer.vtkMRMLMarkupsROINode, volume_node: slicer.vtkMRMLVolumeNode) -> None:
    """Put a box without a position around the image: its handles can then be dragged to the region."""
    if roi_node.GetNumberOfDefinedControlPoints() == 0 and volume_node.GetImageData() is not None:
        bounds = np.zeros(6)
        volume_node.GetRASBounds(bounds)
        low, high = bounds[::2], bounds[1::2]
        roi_node.SetCenterWorld(*(low + high) / 2)
        roi_node.SetSizeWorld(*(high - low))


def _box_points(roi_node: slicer.vtkMRMLMarkupsROINode) -> np.ndarray:
    """Return points on and in the box, (N, 3), in the frame of the ROI node."""
    matrix = slicer.util.arrayFromVTKMatrix(roi_node.GetObjectToNodeMatrix())
    ranges = [np.linspace(-size / 2, size / 2, BOX_STEPS) for size in roi_node.GetSize()]
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
