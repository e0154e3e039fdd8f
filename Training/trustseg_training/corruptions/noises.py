"""Five noises, each at a level, and the level that meets a signal-to-noise ratio exactly.

Noises are pure functions of the image, fixed random numbers and a level.

The random numbers are drawn once and the level scales them, so that an image has one pattern of each noise at
every strength, and the error grows continuously with the level. The image is scaled to [0, 1], and every
result is clipped to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import poisson

from TrustSegLib.errors import OptionError

_SATURATED = 50.0  # of the image's range: noise this strong has sent nearly every voxel to 0 or 1

# SNR in dB that severity 1 to 5 gives in expectation in the whole image before clipping. A fixed standard
# deviation would hardly show in a bright image, and drown one whose range a few bright voxels stretch.
_SEVERITY_SNR_DB = (22.0, 18.0, 14.0, 11.0, 8.0)
# Salt and pepper are counted instead: what a reader loses is a share of the voxels, however bright the salt.
_SEVERITY_SHARE = (0.002, 0.008, 0.02, 0.05, 0.1)

Pattern = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Noise:
    """One kind of noise.

    Attributes
    ----------
    draw : function of (generator, shape)
        The random numbers, arrays (C, D, H, W).
    add : function of (x, pattern, level)
        The noisy image in [0, 1], (C, D, H, W), from an image in [0, 1].
    level : function of (x, ratio)
        The level at which ``sum (x' - x)^2 = ratio * sum x^2`` in expectation, before clipping.
    most : float
        The level beyond which nothing gets worse.
    severity_levels : tuple of 5 floats or None
        The levels of severity 1 to 5; None if they follow from the SNR that each severity stands for.
    """

    draw: Callable[[np.random.Generator, tuple[int, ...]], Pattern]
    add: Callable[[np.ndarray, Pattern, float], np.ndarray]
    level: Callable[[np.ndarray, float], float]
    most: float = _SATURATED
    severity_levels: tuple[float, float, float, float, float] | None = None

    def level_of(self, severity: int, x: np.ndarray) -> float:
        """The level of a severity, 1 to 5, in an image x (C, D, H, W) in [0, 1]."""
        if self.severity_levels is not None:
            return self.severity_levels[severity - 1]
        return self.level(x, power_ratio(_SEVERITY_SNR_DB[severity - 1]))


def power_ratio(snr_db: float) -> float:
    """Power of the noise over power of the signal at an SNR in dB."""
    return 10 ** (-snr_db / 10)


def _gaussian(x: np.ndarray, pattern: Pattern, level: float) -> np.ndarray:
    """``x + level n``."""
    return np.clip(x + level * pattern[0], 0, 1)


def _rician(x: np.ndarray, pattern: Pattern, level: float) -> np.ndarray:
    """Magnitude of a complex signal with Gaussian noise in both parts (Gudbjartsson & Patz 1995)."""
    return np.clip(np.hypot(x + level * pattern[0], level * pattern[1]), 0, 1)


def _poisson(x: np.ndarray, pattern: Pattern, level: float) -> np.ndarray:
    """Counts ``N ~ Poisson(x peak)`` over their peak, ``1 / level^2``; the level is the deviation at x = 1.

    The counts are quantiles of fixed uniform numbers. Sampling them anew would give another pattern at every
    level.
    """
    peak = level**-2
    return np.clip(poisson.ppf(pattern[0], x * peak) / peak, 0, 1)


def _speckle(x: np.ndarray, pattern: Pattern, level: float) -> np.ndarray:
    """``x + x level n``."""
    return np.clip(x + x * level * pattern[0], 0, 1)


def _salt_and_pepper(x: np.ndarray, pattern: Pattern, level: float) -> np.ndarray:
    """A fraction ``level`` of the voxels becomes 0 or 1, half each.

    One voxel, the last in the fixed order, is replaced in part: without it the SNR of a small image would
    move in steps, and an exact one could not be met.
    """
    order, value = pattern
    share = np.clip(level * x.size - order, 0, 1)
    return x + share * (value - x)


def _normal(count: int) -> Callable[[np.random.Generator, tuple[int, ...]], Pattern]:
    return lambda generator, shape: tuple(generator.standard_normal(shape) for _ in range(count))


def _uniform(generator: np.random.Generator, shape: tuple[int, ...]) -> Pattern:
    return (generator.uniform(size=shape),)


def _order_and_value(generator: np.random.Generator, shape: tuple[int, ...]) -> Pattern:
    order = generator.permutation(int(np.prod(shape))).reshape(shape)
    return order, generator.integers(0, 2, shape).astype(float)


def _additive_level(x: np.ndarray, ratio: float) -> float:
    return float(np.sqrt(ratio * np.mean(x**2)))


def _poisson_level(x: np.ndarray, ratio: float) -> float:
    """The variance of N / peak is x / peak."""
    return float(np.sqrt(ratio * np.mean(x**2) / np.mean(x)))


def _speckle_level(x: np.ndarray, ratio: float) -> float:
    return float(np.sqrt(ratio))


def _salt_and_pepper_level(x: np.ndarray, ratio: float) -> float:
    cost = np.mean(x**2 + (1 - x) ** 2) / 2
    return min(float(ratio * np.mean(x**2) / cost), 1.0)


NOISE: dict[str, Noise] = {
    "gaussian": Noise(_normal(1), _gaussian, _additive_level),
    "rician": Noise(_normal(2), _rician, _additive_level),
    "poisson": Noise(_uniform, _poisson, _poisson_level),
    "speckle": Noise(_normal(1), _speckle, _speckle_level),
    "salt_and_pepper": Noise(
        _order_and_value, _salt_and_pepper, _salt_and_pepper_level, 1.0, _SEVERITY_SHARE
    ),
}


TOLERANCE_DB = 0.01

_STEP = 1.25  # from one tried level to the next; small, since Rician noise is worst at a middle level
_LEAST_LEVEL = 1e-9
_LOG_LEVEL_TOLERANCE = 1e-4  # under 0.001 dB; the rest is trimmed
_MOST_TRIMMED = 0.02


def snr_db(x: np.ndarray, changed: np.ndarray) -> float:
    """``10 log10( sum x^2 / sum (x' - x)^2 )`` over every voxel of the image; infinite if nothing changed.

    Parameters
    ----------
    x, changed : np.ndarray, (C, D, H, W)
        The image scaled to [0, 1], and its corrupted version on the same scale, after clipping.
    """
    error = float(np.sum((changed - x) ** 2))
    return 10 * math.log10(float(np.sum(x**2)) / error) if error > 0 else math.inf


def meet(
    x: np.ndarray, noisy_at: Callable[[float], np.ndarray], target_db: float, start: float, most: float
) -> tuple[np.ndarray, float]:
    """Return the noisy image that has exactly this SNR, and its noise level.

    The level is bracketed by steps from ``start`` and then found by Brent's bisection with the random numbers
    fixed. Counts move in steps, so that Poisson noise on a few voxels may jump over the target: what is
    left then, at most 2 % of its amplitude, is taken off or put on all of the noise alike.

    Parameters
    ----------
    x : np.ndarray, (C, D, H, W)
        The image scaled to [0, 1].
    noisy_at : function of the level
        The noisy image, clipped to [0, 1].
    target_db : float
        The SNR to meet, in dB.
    start, most : float
        The level to begin at and the strongest one that makes sense.

    Raises
    ------
    OptionError
        If the image cannot have this SNR; the message says which it can have at least or at most.
    """

    @cache
    def too_clean(log_level: float) -> float:
        return min(snr_db(x, noisy_at(math.exp(log_level))), 1e3) - target_db

    low, high = _bracket(too_clean, target_db, start, most)
    level = math.exp(low if low == high else brentq(too_clean, low, high, xtol=_LOG_LEVEL_TOLERANCE))
    return _trimmed(x, noisy_at(level), target_db), level


def _bracket(
    too_clean: Callable[[float], float], target_db: float, start: float, most: float
) -> tuple[float, float]:
    """Two logarithms of levels with the target between them: first a step down, then steps up."""
    step, last, first = math.log(_STEP), math.log(most), math.log(_LEAST_LEVEL)
    low = min(max(math.log(max(start, _LEAST_LEVEL)), first), last)
    while too_clean(low) < 0:
        low -= step
        if low < first:
            raise OptionError(f"SNR {target_db:g} dB: higher than this noise can be made; name a lower one")
    high, least = low, too_clean(low) + target_db
    while (excess := too_clean(high)) > 0:
        least = min(least, excess + target_db)
        if high == last:
            raise OptionError(f"SNR {target_db:g} dB: not in reach, {_reached(least)}")
        low, high = high, min(high + step, last)
    return low, high


def _reached(least_db: float) -> str:
    if least_db >= 1e3:
        return "this noise does not change these voxels at all; choose other voxels or another noise"
    return f"this noise on these voxels takes the image to {least_db:.2f} dB at least; name a higher one"


def _trimmed(x: np.ndarray, noisy: np.ndarray, target_db: float) -> np.ndarray:
    """The noise scaled by the little that the level could not settle."""
    factor = 10 ** ((snr_db(x, noisy) - target_db) / 20)
    trimmed = np.clip(x + factor * (noisy - x), 0, 1)
    if abs(factor - 1) > _MOST_TRIMMED or abs(snr_db(x, trimmed) - target_db) > TOLERANCE_DB:
        near = f"the nearest is {snr_db(x, noisy):.2f} dB"
        raise OptionError(f"SNR {target_db:g} dB: too few voxels to meet it; {near}")
    return trimmed
