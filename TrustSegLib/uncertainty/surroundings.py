"""What lies around a structure: its surface and the error probability near it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

MARGIN = 3
"""Voxels from the mask that still count as near."""

SLAB_VOXELS = 4_000_000
"""Voxels whose distance to the mask is worked out at once: it takes some 30 bytes for each."""


class Surroundings(NamedTuple):
    """Sums near a structure; all 0 if it is empty.

    `voxels` within `MARGIN` of the mask or in it, the `error_sum` over them, and the mask's
    `surface_voxels`: those with a face that borders on another label or on the image's end.
    """

    voxels: int
    error_sum: float
    surface_voxels: int


def surroundings(
    labels: np.ndarray, label: int, error: np.ndarray, slab_voxels: int = SLAB_VOXELS
) -> Surroundings:
    """Return sums near a structure.

    Parameters
    ----------
    labels : ndarray of integer (D, H, W)
        Label map.
    label : int
        Of the structure.
    error : ndarray (D, H, W)
        Error probability.
    slab_voxels : int
        About how many voxels to look at together; the result does not depend on it.
    """
    box = _box(labels, label)
    if box is None:
        return Surroundings(0, 0.0, 0)
    labels, error = labels[box], error[box]
    voxels, sums, surface = 0, [], 0
    for core, near, inner in _slabs(labels, label, slab_voxels):
        voxels += int(np.count_nonzero(near))
        surface += int(np.count_nonzero((labels[core] == label) & ~inner))
        # Row by row, so that rounding does not depend on the slabs.
        sums += [float(row[rim].sum(dtype=np.float64)) for row, rim in zip(error[core], near, strict=True)]
    return Surroundings(voxels, math.fsum(sums), surface)


def _box(labels: np.ndarray, label: int) -> tuple[slice, ...] | None:
    """Slices that hold the structure and what is near it; None if it is empty."""
    rows = [np.flatnonzero((plane == label).any(axis=1)) for plane in labels]
    planes = [index for index, found in enumerate(rows) if found.size]
    if not planes:
        return None
    columns = np.flatnonzero(np.logical_or.reduce([(labels[index] == label).any(axis=0) for index in planes]))
    found = (planes, np.concatenate(rows), columns)
    return tuple(slice(max(0, int(np.min(axis)) - MARGIN), int(np.max(axis)) + MARGIN + 1) for axis in found)


def _slabs(
    labels: np.ndarray, label: int, slab_voxels: int
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield slabs of rows with the voxels near the structure and those inside its surface."""
    step = max(1, slab_voxels // math.prod(labels.shape[1:]))
    for first in range(0, len(labels), step):
        core = slice(first, min(first + step, len(labels)))
        start = max(0, first - MARGIN)
        mask = labels[start : core.stop + MARGIN] == label
        rows = slice(first - start, core.stop - start)
        # Without any voxel of the structure the distances would be to nowhere.
        near = distance_transform_edt(~mask) <= MARGIN if mask.any() else mask
        yield core, near[rows], binary_erosion(mask)[rows]
