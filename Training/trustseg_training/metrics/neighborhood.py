"""The voxels near a structure, where a segmentation can be wrong: within `MARGIN` voxels of it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

#: Voxels from a structure that count as near it.
MARGIN = 3


def within(mask: np.ndarray, distance: int = MARGIN) -> np.ndarray:
    """Voxels of a mask and those within a distance of it; none for an empty mask.

    Parameters
    ----------
    mask : np.ndarray
        bool (D, H, W).
    distance : int
        Voxels.
    """
    near = np.zeros_like(mask)
    if mask.any():
        box = bounding_box(mask, distance)
        near[box] = distance_transform_edt(~mask[box]) <= distance
    return near


def near_structures(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Voxels within `MARGIN` voxels of any structure of truth or prediction, bool (D, H, W).

    Parameters
    ----------
    truth, prediction : np.ndarray
        (D, H, W) labels, 0 is background.
    """
    return within((truth > 0) | (prediction > 0))


def bounding_box(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """Smallest box around a mask, enlarged by a margin on each side but within the image.

    Parameters
    ----------
    mask : np.ndarray
        bool (D, H, W), at least one voxel.
    margin : int
        Voxels.
    """
    axes = range(mask.ndim)
    profiles = (np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != a))) for a in axes)
    return tuple(slice(max(int(found[0]) - margin, 0), int(found[-1]) + 1 + margin) for found in profiles)
