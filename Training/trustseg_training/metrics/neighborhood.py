"""The voxels near a structure, where a segmentation can be wrong: within `MARGIN` voxels of it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from TrustSegLib.uncertainty.bounding_box import bounding_box, with_margin

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
    near, box = np.zeros_like(mask), bounding_box(mask)
    if box is not None:
        box = with_margin(box, (distance,) * 3, mask.shape)
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
