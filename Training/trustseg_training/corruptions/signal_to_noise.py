"""The signal-to-noise ratio of a corrupted image, and the noise level that meets a given one exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.optimize import brentq

from TrustSegLib.errors import OptionError

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
