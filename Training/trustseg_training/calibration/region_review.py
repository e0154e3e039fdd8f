"""What a look at the regions finds, against as much looking elsewhere.

A mask's boundary is wrong by a voxel nearly everywhere, which changes little and which no list of places can
fix. What matters is where an error is thick; regions are there to lead to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty.regions import boundary_voxels, mark_regions

#: Errors of this thickness, in voxels, are no matter of the boundary's last voxel: 1.41 is an edge neighbor.
THICK = 1.5


@dataclass(frozen=True)
class Found:
    """Wrong voxels in a place, and those of thick errors among them."""

    wrong: float
    thick: float


@dataclass(frozen=True)
class Review:
    """Of one image.

    Attributes
    ----------
    regions, voxels : int
        Number of regions, and of the voxels in them.
    everywhere : Found
        In the whole image.
    in_regions : Found
        In the regions.
    most_uncertain : Found
        In as many voxels, those of highest error probability.
    rim_voxels : int
        As many as in the regions, or all on both sides of the mask's surface if these are fewer.
    in_rim : Found
        In so many voxels of the rim, in the mean over a random choice.
    """

    regions: int
    voxels: int
    everywhere: Found
    in_regions: Found
    most_uncertain: Found
    rim_voxels: int
    in_rim: Found


def review(error: Volume, labels: Volume, truth: np.ndarray) -> Review:
    """Look at the regions of a segmentation, and at as many voxels elsewhere.

    Parameters
    ----------
    error, labels : Volume
        `(1, D, H, W)`: error probability and mask.
    truth : np.ndarray
        (D, H, W) labels.
    """
    prediction = labels.array[0]
    thickness = error_thickness(prediction, truth)
    marked = mark_regions(error, labels)
    count = int(np.count_nonzero(marked))
    highest = np.zeros(truth.size, dtype=bool)
    highest[np.argsort(-error.array[0], axis=None, kind="stable")[:count]] = True
    rim = boundary_voxels(prediction)
    looked = min(count, int(rim.sum()))
    share = looked / max(int(rim.sum()), 1)
    return Review(
        int(marked.max(initial=0)),
        count,
        _found(thickness, np.ones(truth.shape, dtype=bool)),
        _found(thickness, marked > 0),
        _found(thickness, highest.reshape(truth.shape)),
        looked,
        _found(thickness, rim, share),
    )


def error_thickness(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How thick the error is that a voxel belongs to, in voxels (D, H, W); 0 where the label is right.

    The larger of the distances to the nearest voxel that has truly the label that was found here, and to the
    nearest where the label that is true here was found: in a layer of n wrong voxels both run from 1 to n, in
    opposite directions. Infinite where there is no such voxel.
    """
    thickness = np.zeros(truth.shape)
    wrong = prediction != truth
    for label in np.unique([prediction[wrong], truth[wrong]]):
        for here, there in ((prediction, truth), (truth, prediction)):
            own, other = wrong & (here == label), there == label
            distance = distance_transform_edt(~other) if other.any() else np.full(truth.shape, np.inf)
            thickness[own] = np.maximum(thickness[own], distance[own])
    return thickness


def _found(thickness: np.ndarray, place: np.ndarray, share: float = 1.0) -> Found:
    inside = thickness[place]
    return Found(share * float((inside > 0).sum()), share * float((inside > THICK).sum()))
