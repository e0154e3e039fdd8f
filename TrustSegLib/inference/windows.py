"""Where the patches of a sliding window lie, and how a volume smaller than a patch is filled up."""

from __future__ import annotations

import itertools
import math

import numpy as np


def starts(size: int, patch: int, overlap: float) -> list[int]:
    """First indices of the patches along one axis.

    The patches are spread evenly: the first touches index 0, the last is flush with the border, and
    neighbors share at least `overlap` of a patch, or all but one voxel.

    Parameters
    ----------
    size : int
        Voxels along the axis, at least `patch`.
    patch : int
        Voxels of a patch along the axis.
    overlap : float
        Fraction of a patch that neighbors share, in [0, 1).
    """
    if size < patch:
        raise ValueError(f"{size} voxels cannot hold a patch of {patch}: pad first")
    step = max(1, math.floor(patch * (1.0 - overlap) + 1e-6))
    count = math.ceil((size - patch) / step) + 1
    return [round(number * (size - patch) / max(1, count - 1)) for number in range(count)]


def patch_starts(
    shape: tuple[int, ...], patch_shape: tuple[int, ...], overlap: float
) -> list[tuple[int, ...]]:
    """First corners of all patches, ordered along the first axis so that finished rows can leave memory."""
    axes = (starts(size, patch, overlap) for size, patch in zip(shape, patch_shape, strict=True))
    return list(itertools.product(*axes))


def window_shape(shape: tuple[int, ...], patch_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Spatial shape that the window slides over: the volume's, or the patch's where the volume is smaller."""
    return tuple(max(size, patch) for size, patch in zip(shape, patch_shape, strict=True))


def pad_to_patch(array: np.ndarray, patch_shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Fill a volume up to the size of one patch by repeating its border voxels.

    Repeating the edge puts no step at the border. Zeros would: after normalization zero is the mean
    intensity or the lower end of a window, so the network would see an edge, or a plateau of tissue, that is
    not in the patient. Reflection would show it a second, mirrored organ, which also counts in the
    statistics of instance normalization.

    Parameters
    ----------
    array : np.ndarray
        `(C, D, H, W)`.
    patch_shape : tuple of int
        `(D, H, W)`.

    Returns
    -------
    tuple of np.ndarray and tuple of slice
        The filled array `(C, D', H', W')` (the same object when nothing is missing), and the three slices
        that cut the volume out of it again.
    """
    shape = array.shape[1:]
    missing = [full - size for full, size in zip(window_shape(shape, patch_shape), shape, strict=True)]
    before = [count // 2 for count in missing]
    inner = tuple(slice(first, first + size) for first, size in zip(before, shape, strict=True))
    if not any(missing):
        return array, inner
    widths = [(0, 0)] + [(first, count - first) for first, count in zip(before, missing, strict=True)]
    return np.pad(array, widths, mode="edge"), inner
