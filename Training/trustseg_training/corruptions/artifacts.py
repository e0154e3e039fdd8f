"""Artifacts of resolution, gray values and acquisition, each with a table of five strengths.

Of resolution, strengths are multiples of the smallest voxel edge, and work in mm: an axis with larger voxels
is affected less, in voxels, than the finest one, as by a scanner with a wider point spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.fft import dctn, idctn
from torchio import ScalarImage
from torchio.transforms import BiasField, Blur, Ghosting, IntensityTransform, Motion, Spike

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume


@dataclass(frozen=True)
class Artifact:
    """One kind of artifact.

    Attributes
    ----------
    strengths : tuple of 5 floats
        Of severity 1 to 5, in the artifact's own unit, growing.
    change : function of (volume, strength, generator)
        The changed voxels (C, D, H, W) of a volume scaled to [0, 1]. What it draws from the generator does
        not depend on the strength, so that an image has one pattern at every severity.
    clipped : bool
        Whether the result is clipped to [0, 1].
    """

    strengths: tuple[float, float, float, float, float]
    change: Callable[[Volume, float, np.random.Generator], np.ndarray]
    clipped: bool = True


_SPATIAL = (1, 2, 3)


def _blur(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Gaussian point spread with a standard deviation of ``strength`` times the smallest voxel edge."""
    return through(Blur((strength * min(volume.spacing),) * 3), volume)


def _downsampling(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Voxels of ``strength`` times the smallest edge, brought back onto the same grid.

    What finer voxels would add is left out of the spectrum, as in a scan of fewer lines that is zero-filled.
    The spectrum is the cosine transform's, which sees no step between opposite faces. Its k-th line along an
    axis of N voxels of s mm has k / (2 N s) periods per mm, and voxels of t mm carry up to 1 / (2 t). An axis
    whose voxels are larger already stays as it is.
    """
    edge = strength * min(volume.spacing)
    spectrum = dctn(volume.array, axes=_SPATIAL, norm="ortho")
    for axis, length, own in zip(_SPATIAL, volume.shape, volume.spacing[::-1], strict=True):
        kept = np.arange(length) < max(1, round(length * min(own / edge, 1)))
        spectrum *= np.expand_dims(kept, [other for other in range(4) if other != axis])
    return idctn(spectrum, axes=_SPATIAL, norm="ortho")


RESOLUTION_ARTIFACTS: dict[str, Artifact] = {
    "blur": Artifact((0.45, 0.65, 0.9, 1.2, 1.6), _blur),
    "downsampling": Artifact((1.4, 1.8, 2.3, 3.0, 4.0), _downsampling),
}


_ORDER = 3
_COEFFICIENTS = 20  # of a polynomial of order 3 in x, y, z


def _bias_field(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Signal that falls off with the distance from a coil: ``x exp(-strength q)``, q from 0 to 1.

    q is TorchIO's polynomial of order 3 over the field of view (Van Leemput et al. 1999), brought to that
    range. The field is 1 at its brightest place, so that nothing is clipped.
    """
    coefficients = generator.uniform(-1, 1, _COEFFICIENTS)
    logarithm = np.log(BiasField.generate_bias_field(volume.array, _ORDER, coefficients))
    fall = (logarithm.max() - logarithm) / max(np.ptp(logarithm), np.finfo(np.float32).tiny)
    return volume.array * np.exp(-strength * fall)


def _gamma(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """``x^gamma`` with ``log gamma`` plus or minus ``strength``, by the seed; 0 and 1 stay where they are."""
    direction = generator.choice([-1, 1])
    return volume.array ** math.exp(direction * strength)


def _gain(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """``x * strength``: distance from the darkest voxel times a factor."""
    return volume.array * strength


INTENSITY_ARTIFACTS: dict[str, Artifact] = {
    # Logarithm of brightest over darkest place: the darkest place keeps 80, 65, 50, 35, 20 % of its signal.
    "bias_field": Artifact((0.22, 0.43, 0.69, 1.05, 1.61), _bias_field),
    # Gamma 1.1, 1.2, 1.4, 1.7, 2.2, or one over these.
    "gamma": Artifact((0.095, 0.18, 0.34, 0.53, 0.79), _gamma),
    # The factor. Not clipped: an image fills its own range, so that clipping would make it a saturation.
    "gain": Artifact((1.1, 1.2, 1.4, 1.7, 2.0), _gain, clipped=False),
}


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


def through(transform: IntensityTransform, volume: Volume) -> np.ndarray:
    """Return the voxels that a transform with fixed parameters makes.

    The axes keep their order, z, y, x. The middle of the image stands at the origin, because TorchIO's motion
    turns about the origin of the world instead of the middle of the image.

    Parameters
    ----------
    transform : torchio.transforms.IntensityTransform
        Deterministic, not one of the `Random...` ones.
    volume : Volume
        (C, D, H, W).

    Returns
    -------
    np.ndarray
        float64 (C, D, H, W).
    """
    spacing = np.array(volume.spacing[::-1])
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * volume.shape / 2
    tensor = torch.from_numpy(volume.array.astype(np.float32))
    return transform(ScalarImage(tensor=tensor, affine=affine)).data.numpy().astype(np.float64)
