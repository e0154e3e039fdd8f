"""Quality of an image as its network sees it: noise, sharpness, and echoes of fine detail.

Ghosts, ripples and motion have one thing in common that anatomy has not: the same fine detail comes again
some voxels further on. The autocorrelation of the fine detail along an axis sees it, whatever the anatomy: it
is near 0 at long lags in a clean image.

All is measured on the grid of the model: voxels of 2 mm are no damage to a network that is given them
interpolated, and an image that was interpolated before is as blurred as one that is now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter

from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty.image_features import AIR_HU, DARK, Fact, Kind, brightness_range

BLOCK = 64
"""Voxels of the model's grid along an axis that are enough, in the middle of the image."""
LEAST_LAG = 6
"""Voxels from which on two places are far from each other: the rim of a structure is not its own echo."""

NOISE = Kind("image quality", "% of the contrast", False, 1)
NOISE_HU = Kind("image quality", "HU", False, 5)
DETAIL = Kind("image quality", "", False, 0.05, ("blurred or interpolated", "noisy"))
ECHO = Kind("image quality", "%", False, 0.5, ("", "ghosts, ripples, motion or blur"))
RIPPLE = Kind("image quality", "%", False, 0.25, ("", "ghosts, ripples, motion or blur"))

_DETAIL_WIDTH = 3  # voxels: what differs from their mean is fine detail
_LOBE = 2  # voxels: distance from an echo at which it is over
# For white noise of deviation s, the median of |third differences| is 0.6745 sqrt(1 + 9 + 9 + 1) s.
_NOISE = 1 / (0.6745 * np.sqrt(20))


def quality_facts(volume: Volume, seen: Volume, modality: str) -> dict[str, Fact]:
    """Return the features of an image's quality by name.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)` as it is in the file; HU if the modality is "CT". Of it, only the range of brightness
        counts.
    seen : Volume
        The same channels on the model's grid, or the middle of them, see `BLOCK`.
    modality : str
        As in DICOM: noise is in HU for "CT", relative to the contrast for all others.

    Returns
    -------
    dict of str to Fact
        `noise`, `detail`, `echo` and `ripple` of each channel, without those that a thin or constant image
        does not have.
    """
    facts = {}
    for index, (channel, values) in enumerate(zip(volume.array, seen.array, strict=True), start=1):
        found = _channel_facts(channel, values.astype(np.float64), modality)
        first, of = (f"channel_{index}_", f" of channel {index}") if volume.channels > 1 else ("", "")
        facts |= {first + name: replace(fact, text=fact.text + of) for name, fact in found.items()}
    return facts


def _channel_facts(channel: np.ndarray, block: np.ndarray, modality: str) -> dict[str, Fact]:
    if modality == "CT":
        facts = _noise_and_detail(block, AIR_HU, 1.0, NOISE_HU)
    else:
        low, high = brightness_range(channel)
        if not low < high:
            return {}
        facts = _noise_and_detail(block, low + DARK * (high - low), 100 / (high - low), NOISE)
    return facts | _echo_facts(block)


def _noise_and_detail(block: np.ndarray, least: float, scale: float, kind: Kind) -> dict[str, Fact]:
    """Noise along the middle one of the axes, and detail along the axis that has least.

    Both where the image is brighter than `least`. Noise: median of the third differences, to which smooth
    anatomy adds little; an axis that was interpolated has none, and thick slices have much anatomy. Detail:
    how much voxels differ from the next but one, relative to the fourth from them; 1 in white noise, about
    1/2 where all is smooth. Direct neighbors do not count: slices of twice the thickness, interpolated,
    would look as blurred as those of many times.
    """
    noises, details = [], []
    for axis in range(3):
        if block.shape[axis] < 5:
            continue
        rows = np.moveaxis(block, axis, 0)
        first, second, third, fourth, fifth = _shifted(rows, 5)
        inside = np.minimum(np.minimum(second, third), fourth) > least
        far = np.abs(fifth - first)[inside].sum()
        if far > 0:
            details.append(np.abs(fourth - second)[inside].sum() / far)
            noises.append(_third_difference(rows, least) * _NOISE * scale)
    if not noises:
        return {}
    return {
        "noise": Fact(float(np.median(noises)), kind, "noise"),
        "detail": Fact(float(min(details)), DETAIL, "fine detail"),
    }


def _third_difference(rows: np.ndarray, least: float) -> float:
    """Median of its absolute value along the first axis, where both voxels in its middle are bright."""
    first, second, third, fourth = _shifted(rows, 4)
    return float(
        np.median(np.abs(fourth - 3 * third + 3 * second - first)[np.minimum(second, third) > least])
    )


def _shifted(rows: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Views of the same shape, each a row further on."""
    return (rows[lag : len(rows) + 1 - count + lag] for lag in range(count))


def _echo_facts(block: np.ndarray) -> dict[str, Fact]:
    """The strongest single echo of fine detail along any axis, and the strength of all together."""
    detail = block - uniform_filter(block, _DETAIL_WIDTH)
    curves = [_autocorrelation(detail, axis) for axis in range(3)]
    # A single echo must be able to rise above its surroundings on both sides.
    curves = [curve for curve in curves if len(curve) > LEAST_LAG + _LOBE and np.isfinite(curve).all()]
    if not curves:
        return {}
    strongest = max(float(np.abs(_prominence(curve)).max()) for curve in curves)
    together = np.concatenate([curve[LEAST_LAG + 1 :] for curve in curves])
    return {
        "echo": Fact(100 * strongest, ECHO, "echo of fine detail"),
        "ripple": Fact(100 * float(np.sqrt(np.mean(together**2))), RIPPLE, "repetition of fine detail"),
    }


def _prominence(curve: np.ndarray) -> np.ndarray:
    """How far each lag stands out from the mean of those `_LOBE` voxels before and behind it."""
    around = (curve[LEAST_LAG - _LOBE : -2 * _LOBE] + curve[LEAST_LAG + _LOBE :]) / 2
    return curve[LEAST_LAG:-_LOBE] - around


def _autocorrelation(values: np.ndarray, axis: int) -> np.ndarray:
    """Correlation with what lies 0, 1, ... voxels further along an axis, up to half of its length."""
    rows = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
    count = rows.shape[1]
    lags = np.arange(count // 2 + 1)
    # Padded with zeros, so that the end of a row does not meet its beginning (Wiener and Khinchin).
    power = (np.abs(np.fft.rfft(rows, 2 * count, axis=1)) ** 2).sum(axis=0)
    products = np.fft.irfft(power, 2 * count)[lags]
    energy = np.concatenate([[0.0], np.cumsum((rows**2).sum(axis=0))])
    with np.errstate(divide="ignore", invalid="ignore"):
        return products / np.sqrt(energy[count - lags] * (energy[-1] - energy[lags]))
