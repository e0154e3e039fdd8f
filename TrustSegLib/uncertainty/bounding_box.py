"""The bounding box of a mask."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Slices = tuple[slice, slice, slice]


def bounding_box(mask: Iterable[np.ndarray]) -> Slices | None:
    """Return the smallest box that contains a mask; None if the mask is empty.

    Parameters
    ----------
    mask : iterable of np.ndarray
        bool `(D, H, W)`, or its planes `(H, W)` one by one, which need not be in memory together.
    """
    planes, rows, columns = [], False, False
    for index, plane in enumerate(mask):
        if plane.any():
            planes.append(index)
            rows, columns = rows | plane.any(axis=1), columns | plane.any(axis=0)
    if not planes:
        return None
    axes = (planes, np.flatnonzero(rows), np.flatnonzero(columns))
    return tuple(slice(int(axis[0]), int(axis[-1]) + 1) for axis in axes)


def with_margin(box: Slices, margin: tuple[int, ...], shape: tuple[int, ...]) -> Slices:
    """Return a box with `margin` more voxels on both sides of each axis, within an image of `shape`."""
    return tuple(
        slice(max(0, side.start - width), min(size, side.stop + width))
        for side, width, size in zip(box, margin, shape, strict=True)
    )
