"""Class moments from the model's grid back onto the grid of the input, a few rows at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import SimpleITK as sitk

from TrustSegLib.imaging.grid import Box, Grid

SAME_VOXEL = 0.01
"""Two grids hold the same voxels when no center differs by more than this fraction of a voxel."""

LINEAR_MARGIN = 2
"""Voxels around a crop of the model's grid, so that linear interpolation never meets a border of the crop."""


class Restorer(Protocol):
    """Returns the class moments of rows of the target grid.

    Attributes
    ----------
    source : SourceMoments or None
        The moments on the model's grid; None where the target has the same voxels.
    """

    source: SourceMoments | None

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance `(K, last - first, H, W)` float32 of rows `first` up to, not with, `last`."""


@dataclass(frozen=True, eq=False)
class SourceMoments:
    """Mean and variance `(K, D, H, W)` of the class probabilities on the model's grid."""

    mean: np.ndarray
    variance: np.ndarray
    grid: Grid


def restorer(mean: np.ndarray, variance: np.ndarray, source: Grid, target: Grid) -> Restorer:
    """Choose how to resample: exactly where the grids differ by flips and transposes only, else linearly.

    Parameters
    ----------
    mean, variance : np.ndarray
        `(K, D, H, W)` on `source`.
    source, target : Grid
        The model's grid and the input's.
    """
    selection = exact_selection(source, target)
    if selection is None:
        return LinearRestorer(mean, variance, source, target)
    return ExactRestorer(mean, variance, *selection)


class ExactRestorer:
    """The same voxels in another order: no value changes."""

    source = None

    def __init__(
        self, mean: np.ndarray, variance: np.ndarray, order: tuple[int, int, int], slices: tuple[slice, ...]
    ) -> None:
        axes = (0, *(axis + 1 for axis in order))
        self._moments = [moments[(slice(None), *slices)].transpose(axes) for moments in (mean, variance)]

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of these rows."""
        mean, variance = (np.ascontiguousarray(moments[:, first:last]) for moments in self._moments)
        return mean, variance


class LinearRestorer:
    """Linear interpolation of each class's probability and standard deviation, one class at a time.

    The standard deviation is interpolated, not the variance, for the reason given in `RollingBlend`: errors
    of neighboring voxels come from the same weights. Voxels outside the model's grid are background with
    variance 0.
    """

    def __init__(self, mean: np.ndarray, variance: np.ndarray, source: Grid, target: Grid) -> None:
        self.source, self._target = SourceMoments(mean, variance, source), target

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of these rows."""
        rows = self._target.crop(Box((0, 0, 0), self._target.shape).rows(first, last))
        source = self.source
        mean = np.zeros((len(source.mean), *rows.shape), dtype=np.float32)
        deviation = np.zeros_like(mean)
        near = source.grid.box_around(rows.corners(), (LINEAR_MARGIN,) * 3)
        if not near.empty:
            grid = source.grid.crop(near)
            for index in range(len(mean)):
                mean[index] = interpolate(source.mean[index][near.slices], grid, rows)
                deviation[index] = interpolate(np.sqrt(source.variance[index][near.slices]), grid, rows)
        return _proper_moments(mean, deviation)


def exact_selection(source: Grid, target: Grid) -> tuple[tuple[int, int, int], tuple[slice, ...]] | None:
    """Cut and order of the source's axes that give the target's voxels, or None when they are not the same.

    Returns
    -------
    tuple
        `order`, the source axis (0 is z) for each target axis, and the slices of the source to take first.
    """
    matrix = np.linalg.solve(source.steps, target.steps)
    whole = np.rint(matrix)
    size = np.array(target.shape[::-1])
    offset = source.indices(target.origin[None])[0]
    first = np.rint(offset).astype(int)
    drift = np.abs(offset - first) + np.abs(matrix - whole) @ size
    is_permutation = (np.abs(whole).sum(axis=0) == 1).all() and (np.abs(whole).sum(axis=1) == 1).all()
    if not is_permutation or drift.max() > SAME_VOXEL:
        return None
    last = first + whole.astype(int) @ (size - 1)
    inside = (np.minimum(first, last) >= 0) & (np.maximum(first, last) < source.shape[::-1])
    if not inside.all():
        return None
    order = tuple(int(2 - np.argmax(np.abs(whole[:, 2 - axis]))) for axis in range(3))
    return order, tuple(_inclusive(int(first[2 - axis]), int(last[2 - axis])) for axis in range(3))


def _inclusive(first: int, last: int) -> slice:
    """Slice from `first` to `last`, both included, forwards or backwards."""
    if last >= first:
        return slice(first, last + 1)
    return slice(first, last - 1 if last > 0 else None, -1)


def interpolate(values: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Values `(D, H, W)` of the source on the target by linear interpolation, 0 outside of the source.

    Not by `imaging.resample_like`, which smooths where the target is coarser: that is right for intensities,
    but would wipe out the probabilities of a structure that is one slice thin.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    image.SetOrigin(source.origin.tolist())
    image.SetSpacing(source.spacing.tolist())
    image.SetDirection(source.direction.ravel().tolist())
    resampler = sitk.ResampleImageFilter()
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetSize(target.shape[::-1])
    resampler.SetOutputOrigin(target.origin.tolist())
    resampler.SetOutputSpacing(target.spacing.tolist())
    resampler.SetOutputDirection(target.direction.ravel().tolist())
    return sitk.GetArrayFromImage(resampler.Execute(image))


def _proper_moments(mean: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that sum to 1 and variances within [0, p (1 - p)]; background where there was nothing."""
    total = mean.sum(axis=0)
    missing = total < 0.5
    mean[:, missing] = 0.0
    mean[0, missing] = 1.0
    mean /= np.where(missing, np.float32(1.0), total)
    np.clip(mean, 0.0, 1.0, out=mean)
    return mean, np.minimum(np.square(deviation), mean * (1.0 - mean))
