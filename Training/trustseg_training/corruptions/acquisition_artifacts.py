"""Artifacts of the acquisition in k-space, by TorchIO: motion, ghosting, spike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torchio.transforms import Ghosting, Motion, Spike

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume

from .artifact import Artifact
from .through_torchio import through

_LEAST_VOXELS = 16  # along the phase-encoding axis, or ghosts and ripples would be as coarse as the image
_MOVEMENTS = 4
_MOVED = 3.0  # mm, and degrees, along and about the axis of the largest movement
_GHOSTS = (3, 4, 5)
_FREQUENCY = (0.12, 0.4)  # of the sampling rate; 0 is the mean and 0.5 the finest ripple


def _phase_axis(volume: Volume, generator: np.random.Generator) -> int:
    """One of the array's axes 1, 2, 3 that is long enough."""
    axes = [axis for axis, length in enumerate(volume.shape, 1) if length >= _LEAST_VOXELS]
    if not axes:
        shape = " x ".join(str(length) for length in volume.size)
        raise ImageError(
            f"an image of {shape} voxels: too small; give one of {_LEAST_VOXELS} or more on an axis"
        )
    return int(generator.choice(axes))


def _motion(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """A patient who moves four times; a share ``strength`` of k-space is read while out of place.

    The middle of k-space is read in place, so that the labels still fit (Shaw et al. 2019); with much more
    than .7 out of place they do not: the edges are then those of the moved anatomy. With growing strength
    more planes are read in poses that stay the same, and the error can only grow (Parseval); with growing
    movements it would not. The image is continued in its mirror image first: the body does not end where the
    image does.
    """
    last, axis = _phase_axis_last(volume, generator)
    moves = generator.uniform(-1, 1, (2, _MOVEMENTS, 3))
    moves *= _MOVED / np.abs(moves).max(axis=-1, keepdims=True)
    early, late, middle = generator.uniform((0.04, 0.88, 0.4), (0.12, 0.96, 0.6))
    still = 1 - strength
    times = np.array([early, 0.5 - middle * still, 0.5 + (1 - middle) * still, late])
    margin = [(length, length) for length in np.ceil(_MOVED / np.array(last.spacing[::-1])).astype(int)]
    wide = replace(last, array=np.pad(last.array, [(0, 0), *margin], mode="symmetric"))
    moved = through(Motion(moves[0], moves[1], times, "linear"), wide)
    inside = tuple(slice(before, -after) for before, after in margin)
    return np.moveaxis(moved[(slice(None), *inside)], 3, axis)


def _phase_axis_last(volume: Volume, generator: np.random.Generator) -> tuple[Volume, int]:
    """The voxels with the phase-encoding axis at the end, where TorchIO's motion has it, and its number."""
    axis = _phase_axis(volume, generator)
    spacing = [*volume.spacing[::-1]]
    spacing.append(spacing.pop(axis - 1))
    return replace(volume, array=np.moveaxis(volume.array, axis, 3), spacing=tuple(spacing[::-1])), axis


def _ghosting(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Copies along the phase-encoding axis, each with about ``strength`` times the image's contrast.

    TorchIO weakens every n-th plane of k-space; n weaker planes in n make ghosts of 1/n, so n takes it back.
    """
    axis, ghosts = _phase_axis(volume, generator), int(generator.choice(_GHOSTS))
    transform = Ghosting(num_ghosts=ghosts, axis=axis - 1, intensity=strength * ghosts, restore=None)
    return through(transform, volume)


def _spike(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """One false point in k-space: a ripple with ``strength`` times the image's mean as amplitude."""
    offset = generator.uniform(-_FREQUENCY[1], _FREQUENCY[1], 3)
    axis = _phase_axis(volume, generator)
    offset[axis - 1] = generator.choice([-1, 1]) * generator.uniform(*_FREQUENCY)
    return through(Spike(0.5 + offset[np.newaxis], strength), volume)


ACQUISITION_ARTIFACTS: dict[str, Artifact] = {
    "motion": Artifact((0.4, 0.48, 0.56, 0.64, 0.72), _motion),
    "ghosting": Artifact((0.07, 0.12, 0.18, 0.25, 0.35), _ghosting),
    "spike": Artifact((0.06, 0.12, 0.2, 0.3, 0.45), _spike),
}
