"""Artifacts of the gray values: a bias field, a gamma curve, a gain."""

from __future__ import annotations

import math

import numpy as np
from torchio.transforms import BiasField

from TrustSegLib.imaging import Volume

from .artifact import Artifact

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
