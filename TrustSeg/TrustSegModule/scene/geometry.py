"""Geometry of volumes, from MRML's RAS to the LPS of the library, and arrays as VTK images."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from TrustSegLib.contract import LPS_FROM_RAS
from TrustSegModule.scene.nodes import SceneError

Result = TypeVar("Result")

RIGHT_ANGLE = 1e-3
"""Largest deviation of the axes' cosines from unit vectors at right angles, as the library accepts it."""
PIECE_BYTES = 2**22
"""Copied per step: a few ms, also on a machine that does much else."""


class ImageGeometry(NamedTuple):
    """Place of a voxel grid in the patient, as in `TrustSegLib.imaging.Volume`: LPS, mm.

    Attributes
    ----------
    spacing : tuple of 3 floats
        Distance of voxel centers along the index axes i, j, k.
    origin : tuple of 3 floats
        Center of the first voxel.
    direction : tuple of 9 floats
        Cosines of the axes, row-major: column n is where index axis n points.
    """

    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]


def volume_geometry(volume_node: slicer.vtkMRMLVolumeNode) -> ImageGeometry:
    """Return the geometry of a volume in its own frame: parent transforms are left out.

    Raises
    ------
    SceneError
        A matrix that is not finite, spacing that is not positive, or axes that are not at right angles.
    """
    spacing = volume_node.GetSpacing()
    directions = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASDirectionMatrix(directions)
    cosines = slicer.util.arrayFromVTKMatrix(directions)[:3, :3] * np.reshape(LPS_FROM_RAS, (3, 1))
    origin = np.array(volume_node.GetOrigin()) * LPS_FROM_RAS
    if not (np.isfinite([*spacing, *origin, *cosines.ravel()]).all() and min(spacing) > 0):
        message = _("'{name}': its spacing or position is not valid; load the image again")
        raise SceneError(message.format(name=volume_node.GetName()))
    if np.abs(cosines.T @ cosines - np.eye(3)).max() >= RIGHT_ANGLE:
        message = _("'{name}': its axes are not at right angles; resample it to a grid with right angles")
        raise SceneError(message.format(name=volume_node.GetName()))
    return ImageGeometry(spacing, tuple(origin.tolist()), tuple(cosines.ravel().tolist()))


def ijk_to_ras(volume_node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """Return the (4, 4) matrix from voxel indices (i, j, k, 1) to the volume's own RAS frame, in mm."""
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def image_voxels(image: vtk.vtkImageData) -> np.ndarray:
    """Return the voxels of an image with one component, (D, H, W): a view, not a copy."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def run_steps(steps: Generator[None, None, Result]) -> Result:
    """Take all steps at once and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def copy_steps(array: np.ndarray, dtype: type[np.generic], image: vtk.vtkImageData) -> Iterator[None]:
    """Fill an image with a copy of an array, a piece per step; before the last step it has no voxels.

    Parameters
    ----------
    array : ndarray (D, H, W) or (D, H, W, components)
        Must not change between the steps.
    dtype : numpy type
        Of the voxels.
    image : vtkImageData
        Gets the size and the voxels.
    """
    # A copy: VTK does not keep the array alive.
    scalars = vtk.vtkDataArray.CreateDataArray(get_vtk_array_type(dtype))
    scalars.SetName("ImageScalars")
    scalars.SetNumberOfComponents(array.shape[3] if array.ndim == 4 else 1)
    scalars.SetNumberOfValues(array.size)
    voxels = vtk_to_numpy(scalars).reshape(array.shape)
    thickness = max(PIECE_BYTES // voxels[0].nbytes, 1)
    for first in range(0, len(array), thickness):
        voxels[first : first + thickness] = array[first : first + thickness]
        yield
    image.SetDimensions(*array.shape[:3][::-1])
    image.GetPointData().SetScalars(scalars)
