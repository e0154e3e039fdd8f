"""The part of a mask's grid that holds its structures."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

Box = tuple[slice, slice, slice]

MARGIN = 1
"""Voxels of background around the structures; a surface is not made of an image of one slice."""


def box_steps(labels: np.ndarray) -> Generator[None, None, Box]:
    """Find the box around all voxels of a mask, a slice per step.

    Parameters
    ----------
    labels : ndarray (D, H, W)
        0 is background.

    Returns
    -------
    tuple of slice
        Along the axes of `labels`; around the first voxel for an empty mask.
    """
    used = [np.zeros(size, dtype=bool) for size in labels.shape]
    for k, plane in enumerate(labels):
        inside = plane != 0
        rows = inside.any(axis=1)
        used[0][k] = rows.any()
        used[1] |= rows
        used[2] |= inside.any(axis=0)
        yield
    first, second, third = (_range(axis) for axis in used)
    return first, second, third


def _range(used: np.ndarray) -> slice:
    # A segment needs an image, so that of an empty mask has voxels too.
    places = np.flatnonzero(used) if used.any() else np.zeros(1)
    return slice(max(int(places[0]) - MARGIN, 0), min(int(places[-1]) + MARGIN + 1, len(used)))
