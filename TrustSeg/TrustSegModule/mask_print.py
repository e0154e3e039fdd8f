"""The mask of each segment as a number of voxels and a digest: equal ones are the same mask."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

MM3_PER_ML = 1000.0


class MaskPrint(NamedTuple):
    """What tells one mask of a segment from another.

    Attributes
    ----------
    volume_ml : float
        Number of voxels times their size.
    digest : str
        Of the positions of all voxels; does not depend on how much background is stored around them.
    """

    volume_ml: float
    digest: str


def mask_prints(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, MaskPrint]:
    """Return the print of every segment's mask by the segment's ID."""
    segmentation = segmentation_node.GetSegmentation()
    count = segmentation.GetNumberOfSegments()
    return {
        segmentation.GetNthSegmentID(number): _mask_print(segmentation.GetNthSegment(number))
        for number in range(count)
    }


def _mask_print(segment: slicer.vtkSegment) -> MaskPrint:
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    labelmap = segment.GetRepresentation(name)
    digest, voxels = hashlib.blake2b(digest_size=8), 0
    if labelmap is None or labelmap.GetPointData().GetScalars() is None:
        return MaskPrint(0.0, digest.hexdigest())
    labels = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])
    first = labelmap.GetExtent()[::2]
    # By slices: the positions of all voxels of a lung at once would take a GB.
    for k, plane in enumerate(labels):
        places = np.argwhere(plane == segment.GetLabelValue()) + first[1::-1]
        voxels += len(places)
        if len(places):
            digest.update(np.int64(k + first[2]).tobytes() + places.astype(np.int32).tobytes())
    return MaskPrint(voxels * _voxel_ml(labelmap), digest.hexdigest())


def _voxel_ml(labelmap: slicer.vtkOrientedImageData) -> float:
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    return abs(matrix.Determinant()) / MM3_PER_ML
