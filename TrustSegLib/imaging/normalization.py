"""Intensity normalization, stored in the bundle by training and applied alike by inference."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging.volume import Volume

_SETTINGS = {"zscore": ("lower_percentile", "upper_percentile"), "window": ("lower", "upper")}


@dataclass(frozen=True)
class Normalization:
    """Normalization of intensities to the scale that a network expects.

    Parameters
    ----------
    method : {"zscore", "window"}
        "zscore" (MR): clip to two percentiles of the channel, then (x - mean) / standard deviation.
        "window" (CT): clip to two intensities, then scale to [0, 1].
    lower_percentile, upper_percentile : float
        Percentiles of "zscore", 0 to 100. Clipping keeps a few bright voxels from determining the scale.
    lower, upper : float or None
        Intensities of "window", in the image's unit (HU for CT).

    Raises
    ------
    OptionError
        The method is unknown or its limits are not two ascending numbers.
    """

    method: str = "zscore"
    lower_percentile: float = 0.5
    upper_percentile: float = 99.5
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        if self.method not in _SETTINGS:
            raise OptionError(f"normalization {self.method!r}: not known; use one of {', '.join(_SETTINGS)}")
        low, high = self.limits
        if not (_is_number(low) and _is_number(high) and low < high):
            raise OptionError(f"normalization {self.method}: limits {low}, {high}; give two rising numbers")
        if self.method == "zscore" and not (low >= 0 and high <= 100):
            raise OptionError(f"normalization zscore: percentiles {low}, {high}; use 0 to 100")

    @property
    def limits(self) -> tuple[float, float]:
        """The percentiles or intensities that the method clips to."""
        low, high = _SETTINGS[self.method]
        return getattr(self, low), getattr(self, high)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Normalization:
        """Read a normalization from the values of `to_dict`.

        Raises
        ------
        OptionError
            A key is unknown, "method" is missing or a value is not valid.
        """
        unknown = sorted(set(settings) - {field.name for field in fields(cls)})
        if unknown or "method" not in settings:
            wrong = f"unknown key {unknown[0]!r}" if unknown else "no 'method'"
            raise OptionError(f"normalization: {wrong}; use {', '.join(field.name for field in fields(cls))}")
        return cls(**settings)

    def to_dict(self) -> dict[str, Any]:
        """Return the method and its limits as JSON values."""
        kept = ("method", *_SETTINGS[self.method])
        return {name: value for name, value in asdict(self).items() if name in kept}


def normalize(volume: Volume, normalization: Normalization) -> Volume:
    """Normalize the intensities of every channel.

    Parameters
    ----------
    volume : Volume
        The image, (C, D, H, W), in its own unit.
    normalization : Normalization
        Method and limits.

    Returns
    -------
    Volume
        float32, without unit, on the same grid.

    Raises
    ------
    ImageError
        A channel is constant between its percentiles, so that it has no scale.
    """
    array = np.empty(volume.array.shape, np.float32)
    for index, channel in enumerate(volume.array):
        if normalization.method == "window":
            array[index] = _window(channel, *normalization.limits)
        else:
            array[index] = _zscore(channel, *normalization.limits, name=f"channel {index + 1}")
    return volume.with_array(array)


def _window(channel: np.ndarray, lower: float, upper: float) -> np.ndarray:
    return (np.clip(channel.astype(np.float32), lower, upper) - lower) / (upper - lower)


def _zscore(channel: np.ndarray, lower: float, upper: float, name: str) -> np.ndarray:
    channel = channel.astype(np.float32)
    low, high = (float(limit) for limit in np.percentile(channel, (lower, upper)))
    if not low < high:
        raise ImageError(
            f"{name} of the image: nearly all voxels are {low:g}, so it has no intensity scale; "
            "check that it is the right image, or crop it to the anatomy"
        )
    channel = np.clip(channel, low, high)
    # In float64: float32 sums over 10^8 voxels are too inaccurate for the deviation.
    return (channel - float(channel.mean(dtype=np.float64))) / float(channel.std(dtype=np.float64))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))
