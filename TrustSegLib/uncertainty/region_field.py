"""The local mean of the error probability, and how high it is along a boundary as such."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume

DOUBTFUL = 0.1
"""Error probability from which a voxel can belong to a region."""
SCALE_MM = 2.0
"""Standard deviation of the Gaussian that averages the error: what is thinner than this is a rim."""
ABOVE_RIM = 1.5
"""How many times the rim's local mean a region must have."""
_REACH = 3.0  # standard deviations that the Gaussian is cut at


@dataclass(frozen=True)
class Field:
    """The part of a volume that has doubtful voxels.

    Attributes
    ----------
    error, labels, local_mean : np.ndarray
        `(D, H, W)`; `local_mean` is the error probability averaged with a Gaussian, 0 beyond the volume.
    start : tuple of int
        Index (z, y, x) in the volume of the first voxel.
    threshold : float
        Local mean from which a place stands out from the rim.
    """

    error: np.ndarray
    labels: np.ndarray
    local_mean: np.ndarray
    start: tuple[int, int, int]
    threshold: float


def make_field(error: Volume, labels: Volume) -> Field | None:
    """Average the error around the doubtful voxels; None where there are none.

    Parameters
    ----------
    error, labels : Volume
        `(1, D, H, W)` on one grid.
    """
    box = _box_of_doubt(error.array[0], error.spacing[::-1])
    if box is None:
        return None
    part = np.asarray(error.array[0][box], dtype=np.float32)
    mask = labels.array[0][box]
    sigmas = [SCALE_MM / step for step in error.spacing[::-1]]
    # Zero beyond the volume: a place then looks the same wherever it lies in its image.
    local_mean = ndimage.gaussian_filter(part, sigmas, mode="constant", truncate=_REACH)
    threshold = ABOVE_RIM * _rim(local_mean, mask, error.spacing)
    return Field(part, mask, local_mean, tuple(side.start for side in box), threshold)


def _box_of_doubt(error: np.ndarray, spacing: tuple[float, ...]) -> tuple[slice, ...] | None:
    """Box of the doubtful voxels and all that their local mean takes in."""
    doubtful = error > DOUBTFUL
    box = []
    for axis, step in enumerate(spacing):
        planes = np.flatnonzero(doubtful.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(planes):
            return None
        margin = math.ceil(_REACH * SCALE_MM / step) + 1
        last = min(error.shape[axis], int(planes[-1]) + 1 + margin)
        box.append(slice(max(0, int(planes[0]) - margin), last))
    return tuple(box)


def _rim(local_mean: np.ndarray, labels: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Local mean error of this case's boundary, at most that of a boundary known to one voxel.

    A flat boundary whose place is known with standard deviation s has error probability Phi(-|d| / s) at
    distance d, in all s sqrt(2 / pi) per area; a Gaussian of width S takes 1 / (S sqrt(2 pi)) of a thin
    sheet. Without a boundary there is no rim.
    """
    surface = boundary_voxels(labels)
    if not surface.any():
        return 0.0
    voxel = math.prod(spacing) ** (1 / 3)
    limit = voxel * math.sqrt(2 / math.pi) / (SCALE_MM * math.sqrt(2 * math.pi))
    return min(limit, float(np.median(local_mean[surface])))


def boundary_voxels(labels: np.ndarray) -> np.ndarray:
    """Voxels on both sides of every face between two labels, bool (D, H, W) of labels (D, H, W)."""
    # By differences along the axes: much faster than filters of the whole volume.
    surface = np.zeros(labels.shape, dtype=bool)
    for axis in range(3):
        before = tuple(slice(None, -1) if other == axis else slice(None) for other in range(3))
        after = tuple(slice(1, None) if other == axis else slice(None) for other in range(3))
        edge = labels[before] != labels[after]
        surface[before] |= edge
        surface[after] |= edge
    return surface
