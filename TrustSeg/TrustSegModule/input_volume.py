"""The image to segment: a volume of the scene as what the worker needs."""

from __future__ import annotations

import numpy as np
import slicer
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from TrustSegModule.errors import SceneError
from TrustSegModule.geometry import ImageGeometry, volume_geometry
from TrustSegModule.map_scale import MAP_ATTRIBUTE
from TrustSegModule.nodes import nodes_of_class


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
    """Return where the voxels lie: spacing, origin and direction, LPS, in mm.

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


def _require_voxels(volume_node: slicer.vtkMRMLVolumeNode) -> None:
    image = volume_node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None or min(image.GetDimensions()) < 1:
        message = _("'{name}' holds no image; load it or choose another volume")
        raise SceneError(message.format(name=volume_node.GetName()))
