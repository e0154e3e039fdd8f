"""Class moments from the model's grid back onto the grid of the input, a few rows at a time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import SimpleITK as sitk

from TrustSegLib.imaging.grid import Grid

SAME_VOXEL = 0.01
"""Two grids hold the same voxels when no center differs by more than this fraction of a voxel."""


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
    """Linear interpolation of each class's probability and standard deviation.

    The standard deviation is interpolated, not the variance, for the reason given in `RollingBlend`: errors
    of neighboring voxels come from the same weights. Voxels outside the model's grid are background with
    variance 0.

    The axes of the two grids are parallel, since an image is resampled along its own, so that trilinear
    interpolation is one along each axis after the other: two thirds of it happen on the coarser grid.

    Raises
    ------
    ValueError
        The axes are not parallel.
    """

    def __init__(self, mean: np.ndarray, variance: np.ndarray, source: Grid, target: Grid) -> None:
        self.source = SourceMoments(mean, variance, source)
        order, self._axes = _along_axes(source, target)
        axes = (0, *(axis + 1 for axis in order))
        self._mean, self._variance = mean.transpose(axes), variance.transpose(axes)

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of these rows."""
        along = (self._axes[0].part(first, last), *self._axes[1:])
        shape = (len(self._mean), *(len(axis.low) for axis in along))
        mean, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
        planes = slice(along[0].low.min(), along[0].high.max() + 1)
        near = (along[0].after(planes.start), *along[1:])
        # Probabilities are made to sum to 1 where there are fewer of them.
        total = self._mean[:, planes].sum(axis=0)
        for index in range(len(mean)):
            mean[index] = _interpolated(self._mean[index][planes] / total, near)
            variance[index] = _interpolated(np.sqrt(self._variance[index][planes]), near)
            _square_within(variance[index], mean[index])
        for axis, one in enumerate(along):
            if not one.inside.all():
                _make_background(mean, variance, axis, ~one.inside)
        return mean, variance


@dataclass(frozen=True, eq=False)
class _Axis:
    """Where the voxels of a target lie along an axis of the source.

    Attributes
    ----------
    low, high : np.ndarray
        `(N,)` indices of the source's voxels before and behind; the same at its border.
    weight : np.ndarray
        `(N,)` float32, of the one behind.
    inside : np.ndarray
        `(N,)` bool, whether the voxel's center lies in the source.
    """

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray
    inside: np.ndarray

    @classmethod
    def at(cls, places: np.ndarray, size: int) -> _Axis:
        """Axis from fractional indices into a source of `size` voxels."""
        whole = np.rint(places)
        if np.abs(places - whole).max() <= SAME_VOXEL:
            places = whole
        inside = (places >= -0.5) & (places < size - 0.5)
        places = np.clip(places, 0, size - 1)
        low = np.floor(places).astype(int)
        return cls(low, np.minimum(low + 1, size - 1), (places - low).astype(np.float32), inside)

    def part(self, first: int, last: int) -> _Axis:
        """Of some of the target's voxels."""
        return _Axis(*(each[first:last] for each in (self.low, self.high, self.weight, self.inside)))

    def after(self, start: int) -> _Axis:
        """Into a source without its first `start` voxels."""
        return _Axis(self.low - start, self.high - start, self.weight, self.inside)


def _along_axes(source: Grid, target: Grid) -> tuple[tuple[int, int, int], tuple[_Axis, _Axis, _Axis]]:
    """The source's axis (0 is z) for each of the target's, and where the target's voxels lie along it."""
    matrix = np.linalg.solve(source.steps, target.steps)
    size = np.array(target.shape[::-1])
    order = tuple(int(2 - np.abs(matrix[:, 2 - axis]).argmax()) for axis in range(3))
    steps = [matrix[2 - order[axis], 2 - axis] for axis in range(3)]
    across = matrix.copy()
    for axis in range(3):
        across[2 - order[axis], 2 - axis] = 0.0
    if sorted(order) != [0, 1, 2] or (np.abs(across) @ size).max() > SAME_VOXEL:
        raise ValueError("the axes of the model's grid and of the image's are not parallel")
    first = source.indices(target.origin[None])[0]
    places = (first[2 - order[axis]] + steps[axis] * np.arange(target.shape[axis]) for axis in range(3))
    sizes = (source.shape[axis] for axis in order)
    return order, tuple(itertools.starmap(_Axis.at, zip(places, sizes, strict=True)))


def _interpolated(values: np.ndarray, along: tuple[_Axis, _Axis, _Axis]) -> np.ndarray:
    """Interpolate `(D, H, W)` along its axes; the middle one last, which moves whole rows of the result."""
    for axis in (0, 2, 1):
        values = _between(values, along[axis], axis)
    return values


def _between(values: np.ndarray, along: _Axis, axis: int) -> np.ndarray:
    below, above = values.take(along.low, axis), values.take(along.high, axis)
    above -= below
    above *= along.weight.reshape(tuple(-1 if each == axis else 1 for each in range(3)))
    below += above
    return below


def _square_within(deviation: np.ndarray, mean: np.ndarray) -> None:
    """Turn standard deviations into variances of at most p (1 - p), in place, a plane at a time."""
    for sd, p in zip(deviation, mean, strict=True):
        np.clip(p, 0.0, 1.0, out=p)
        np.square(sd, out=sd)
        np.minimum(sd, p * (1.0 - p), out=sd)


def _make_background(mean: np.ndarray, variance: np.ndarray, axis: int, where: np.ndarray) -> None:
    """Certain background in the voxels `(K, D, H, W)` with these indices of one axis."""
    voxels = (slice(None),) * (axis + 1) + (where,)
    mean[voxels], variance[voxels] = 0.0, 0.0
    mean[(0, *voxels[1:])] = 1.0


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
