"""Changes of an image that are no corruption of its intensities on the same grid: cuts, slices, inversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, resample


@dataclass(frozen=True, eq=False)
class Changed:
    """An image with its labels after a change.

    Attributes
    ----------
    image, truth : Volume
        On the same grid; the truth has one channel of labels.
    hidden_ml : mapping of int to float
        Volume of each label that the image does not show any more.
    """

    image: Volume
    truth: Volume
    hidden_ml: Mapping[int, float] = field(default_factory=dict)


Change = Callable[[Volume, Volume, np.random.Generator], Changed]
"""From an image, its labels and a generator; raises `ImageError` if the image is too small."""

_LEAST_VOXELS = 8  # that must be left along an axis


def invert(image: Volume, truth: Volume, generator: np.random.Generator) -> Changed:
    """Brightest for darkest in each channel, as in a picture that was stored inverted."""
    array = image.array.astype(np.float32)
    ends = array.max(axis=(1, 2, 3), keepdims=True) + array.min(axis=(1, 2, 3), keepdims=True)
    return Changed(image.with_array(ends - array), truth)


def cut(millimeters: float, image: Volume, truth: Volume, generator: np.random.Generator) -> Changed:
    """Crop an image so far that its border lies this deep in the structures, at one of its six faces.

    Parameters
    ----------
    millimeters : float
        Depth of the cut, from the outermost voxel of any structure.
    image, truth : Volume
        As stored.
    generator : np.random.Generator
        Chooses the face.
    """
    axis, from_start = int(generator.integers(3)), bool(generator.integers(2))
    present = truth.array[0] > 0
    places = np.flatnonzero(present.any(axis=tuple(other for other in range(3) if other != axis)))
    if not places.size:
        raise ImageError("no structure to cut through")
    depth = max(1, round(millimeters / image.spacing[2 - axis]))
    kept = slice(places[0] + depth, None) if from_start else slice(0, places[-1] + 1 - depth)
    slices = tuple(kept if index == axis else slice(None) for index in range(3))
    seen = _part(truth, slices)
    if min(seen.shape) < _LEAST_VOXELS or not seen.array.any():
        raise ImageError(f"nothing is left when {millimeters:g} mm are cut away")
    labels = np.unique(truth.array[truth.array > 0]).tolist()
    lost = {label: int((truth.array == label).sum() - (seen.array == label).sum()) for label in labels}
    hidden = {label: voxels * truth.voxel_volume_ml for label, voxels in lost.items()}
    return Changed(_part(image, slices), seen, hidden)


def thick_slices(
    factor: int, interpolated: bool, image: Volume, truth: Volume, generator: np.random.Generator
) -> Changed:
    """Slices of several times the thickness along one axis, each the mean of as many thin ones.

    Parameters
    ----------
    factor : int
        Thickness in voxels of the image.
    interpolated : bool
        Whether they are brought back onto the image's grid, as by a viewer that resamples; the labels are
        then the original ones. Else the label of a thick slice is that of most of its thin ones.
    image, truth : Volume
        As stored.
    generator : np.random.Generator
        Chooses the axis.
    """
    axis = int(generator.integers(3))
    count = image.shape[axis] // factor
    if count < _LEAST_VOXELS:
        raise ImageError(f"too few slices for {factor} times the thickness")
    slices = tuple(slice(0, count * factor) if index == axis else slice(None) for index in range(3))
    image, truth = _part(image, slices), _part(truth, slices)
    spacing = list(image.spacing)
    spacing[2 - axis] *= factor
    # Both grids share the outer corner, so the first center moves by half the difference of the spacings.
    step = np.reshape(image.direction, (3, 3))[:, 2 - axis] * (factor - 1) / 2 * image.spacing[2 - axis]
    place = {"spacing": tuple(spacing), "origin": tuple(np.array(image.origin) + step)}
    thick = replace(image, array=_groups(image.array, axis, factor).mean(axis=axis + 2), **place)
    if interpolated:
        return Changed(resample(thick, image.spacing), truth)
    return Changed(thick, replace(truth, array=_majority(truth.array, axis, factor), **place))


def _part(volume: Volume, slices: tuple[slice, ...]) -> Volume:
    first = np.array([part.indices(count)[0] for part, count in zip(slices, volume.shape, strict=True)])[::-1]
    origin = volume.origin + np.reshape(volume.direction, (3, 3)) @ (first * volume.spacing)
    array = np.ascontiguousarray(volume.array[(slice(None), *slices)])
    return replace(volume, array=array, origin=tuple(origin))


def _groups(array: np.ndarray, axis: int, factor: int) -> np.ndarray:
    """Array with one more axis, `axis + 2`, that runs over the thin slices of a thick one; float32."""
    shape = list(array.shape)
    shape[axis + 1 : axis + 2] = [shape[axis + 1] // factor, factor]
    return array.reshape(shape).astype(np.float32)


def _majority(labels: np.ndarray, axis: int, factor: int) -> np.ndarray:
    """The most frequent label of each group; where two are as frequent, the one of the first slice.

    Not the smaller label: the background would win all ties, and every structure would shrink.
    """
    groups = _groups(labels, axis, factor)
    first = groups.take(0, axis=axis + 2)
    values = np.unique(labels)
    shares = np.stack([(groups == value).mean(axis=axis + 2) for value in values])
    own = (groups == np.expand_dims(first, axis + 2)).mean(axis=axis + 2)
    return np.where(shares.max(axis=0) > own, values[shares.argmax(axis=0)], first).astype(labels.dtype)


CHANGES: dict[str, Change] = {
    "inversion": invert,
    "cut-2mm": partial(cut, 2.0),
    "cut-4mm": partial(cut, 4.0),
    "cut-8mm": partial(cut, 8.0),
    "slices-2x": partial(thick_slices, 2, False),
    "slices-3x": partial(thick_slices, 3, False),
    "interpolated-2x": partial(thick_slices, 2, True),
    "interpolated-3x": partial(thick_slices, 3, True),
}
"""Changes by the name of their condition."""
