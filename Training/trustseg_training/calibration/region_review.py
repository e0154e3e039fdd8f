"""Review of the marked regions: the errors found there, against reviewing as many voxels elsewhere.

A mask's boundary is wrong by a voxel nearly everywhere, which changes little and which no list of places can
fix. What matters are thick errors; the regions are meant to lead to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty.regions import boundary_voxels, mark_regions

#: Errors above this thickness, in voxels, exceed the boundary's last voxel: 1.41 is an edge neighbor.
THICK = 1.5


@dataclass(frozen=True)
class Found:
    """Wrong voxels in a place, and how many of them belong to thick errors."""

    wrong: float
    thick: float


@dataclass(frozen=True)
class Review:
    """Review of one image.

    Attributes
    ----------
    regions, voxels : int
        Number of regions, and of the voxels in them.
    everywhere : Found
        In the whole image.
    in_regions : Found
        In the regions.
    most_uncertain : Found
        In as many voxels: those with the highest error probability.
    rim_voxels : int
        As many as in the regions, or all voxels on both sides of the mask's surface if these are fewer.
    in_rim : Found
        In that many voxels of the rim, in expectation over a random choice.
    """

    regions: int
    voxels: int
    everywhere: Found
    in_regions: Found
    most_uncertain: Found
    rim_voxels: int
    in_rim: Found


def review(error: Volume, labels: Volume, truth: np.ndarray) -> Review:
    """Review the regions of a segmentation, and as many voxels elsewhere.

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
    rim_voxels = min(count, int(rim.sum()))
    share = rim_voxels / max(int(rim.sum()), 1)
    return Review(
        int(marked.max(initial=0)),
        count,
        _found(thickness, np.ones(truth.shape, dtype=bool)),
        _found(thickness, marked > 0),
        _found(thickness, highest.reshape(truth.shape)),
        rim_voxels,
        _found(thickness, rim, share),
    )


def error_thickness(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Thickness of the error that each voxel belongs to, in voxels (D, H, W); 0 where the label is right.

    The larger of two distances: to the nearest voxel whose true label is the one predicted here, and to the
    nearest voxel predicted as the label that is true here. In a layer of n wrong voxels both run from 1 to n,
    in opposite directions. Infinite where there is no such voxel.
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
