"""The part of an image around a mask: what is far from it need not be looked at."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt


def bounding_box(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """Smallest box around a mask, so many voxels larger on each side, within the image.

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


def within(mask: np.ndarray, distance: int) -> np.ndarray:
    """Voxels of a mask, and those at most so many voxels from it; none of an empty mask.

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
