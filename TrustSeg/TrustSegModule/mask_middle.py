"""The voxel in the middle of a mask."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

Index = tuple[int, int, int]


def middle_steps(labels: np.ndarray) -> Generator[None, None, Index | None]:
    """Find the voxel of a mask that is nearest to the mean of all, a slice per step.

    It is a voxel of the mask also where the mask has two parts or is bent.

    Parameters
    ----------
    labels : ndarray (D, H, W)
        0 is background.

    Returns
    -------
    tuple of 3 ints or None
        (i, j, k); None for an empty mask.
    """
    count, total = 0, np.zeros(3)
    for k, plane in enumerate(labels):
        places = _places(plane)
        count += len(places)
        total += (*places.sum(axis=0), k * len(places))
        yield
    return None if count == 0 else (yield from _nearest_steps(labels, total / count))


def _nearest_steps(labels: np.ndarray, center: np.ndarray) -> Generator[None, None, Index]:
    """Look into the slices in the order of their distance, until no other one can hold a nearer voxel."""
    best, found = np.inf, (0, 0, 0)
    for k in sorted(range(len(labels)), key=lambda index: abs(index - center[2])):
        away = (k - center[2]) ** 2
        if away >= best:
            break
        places = _places(labels[k])
        if len(places):
            distances = ((places - center[:2]) ** 2).sum(axis=1) + away
            nearest = distances.argmin()
            if distances[nearest] < best:
                best, found = distances[nearest], (*map(int, places[nearest]), k)
        yield
    return found


def _places(plane: np.ndarray) -> np.ndarray:
    """Return the indices (i, j) of the mask's voxels in a slice (H, W), as (N, 2)."""
    rows, columns = np.divmod(np.flatnonzero(plane != 0), plane.shape[1])
    return np.column_stack([columns, rows])
