"""A corruption, its strength and its place as a value with a short text for tables, and its application."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume

from .artifacts import ACQUISITION_ARTIFACTS, INTENSITY_ARTIFACTS, RESOLUTION_ARTIFACTS, Artifact
from .noises import NOISE, meet, power_ratio, snr_db

ARTIFACT: dict[str, Artifact] = {**RESOLUTION_ARTIFACTS, **INTENSITY_ARTIFACTS, **ACQUISITION_ARTIFACTS}
"""Artifact of each name; the noises are in `noises.NOISE`."""

NOISES, ARTIFACTS = tuple(NOISE), tuple(ARTIFACT)
NAMES = NOISES + ARTIFACTS

#: Key of the condition without a corruption.
CLEAN = "clean"

_SEVERITIES = range(1, 6)
_SNR_DB = (-30.0, 100.0)
_LABELS = range(1, 256)
_PLACES = ("all", "background", "structures")
_EXAMPLES = "gaussian-8dB, motion-3 or speckle-10dB@1"


@dataclass(frozen=True)
class Corruption:
    """One way to make an image worse.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    severity : int or None
        1 (just visible) to 5 (heavily degraded, the organ still recognizable).
    snr_db : float or None
        The exact signal-to-noise ratio of the corrupted image in dB; for the `NOISES` only. Exactly one of
        severity and SNR is given.
    where : str or int
        The voxels that may change: "all", "background" (label 0), "structures" (every other label) or one
        label's number.

    Raises
    ------
    OptionError
        If the name, the strength or the place is not one of these.
    """

    name: str
    severity: int | None = None
    snr_db: float | None = None
    where: str | int = "all"

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise OptionError(f"corruption {self.name!r}: not known; use one of {', '.join(NAMES)}")
        if (self.severity is None) == (self.snr_db is None):
            raise OptionError(f"corruption {self.name}: give a severity or an SNR, and not both")
        if self.severity is None:
            self._check_snr()
        elif not _whole(self.severity) or self.severity not in _SEVERITIES:
            raise OptionError(
                f"corruption {self.name}: severity {self.severity!r}; give a number from 1 to 5"
            )
        if self.where not in _PLACES and not (_whole(self.where) and self.where in _LABELS):
            wrong = f"corruption {self.name}: place {self.where!r} not known"
            raise OptionError(f"{wrong}; use {', '.join(_PLACES)} or a label's number from 1 to 255")

    def _check_snr(self) -> None:
        """An SNR makes sense for a noise only: an artifact has no random numbers to scale."""
        if self.name not in NOISES:
            raise OptionError(f"corruption {self.name}: has no SNR of its own; give a severity from 1 to 5")
        low, high = _SNR_DB
        if isinstance(self.snr_db, bool) or not isinstance(self.snr_db, int | float):
            raise OptionError(f"corruption {self.name}: SNR {self.snr_db!r}; give a number in dB")
        if not low <= self.snr_db <= high:  # NaN too: every comparison with it is false
            wrong = f"corruption {self.name}: SNR {self.snr_db:g} dB"
            raise OptionError(f"{wrong}; give a number of dB from {low:g} to {high:g}")

    @property
    def key(self) -> str:
        """A short text for tables and file names, such as `gaussian-8dB`, `motion-3` or `speckle-10dB@1`."""
        strength = str(self.severity) if self.snr_db is None else f"{_shortest(self.snr_db)}dB"
        return f"{self.name}-{strength}" + ("" if self.where == "all" else f"@{self.where}")


def parse(text: str) -> Corruption:
    """Return the corruption that a text names: the inverse of `Corruption.key`.

    Raises
    ------
    OptionError
        If the text is not of that form, or names a corruption that does not exist.
    """
    strong, at, where = text.partition("@")
    name, _, strength = strong.partition("-")
    place: str | int = int(where) if where.isdecimal() else (where if at else "all")
    try:
        if strength.endswith("dB"):
            return Corruption(name, snr_db=float(strength.removesuffix("dB")), where=place)
        return Corruption(name, severity=int(strength), where=place)
    except ValueError:
        raise OptionError(f"corruption {text!r}: not understood; write it like {_EXAMPLES}") from None


def _whole(number: object) -> bool:
    """Whether this is a whole number; True and False are not."""
    return isinstance(number, int) and not isinstance(number, bool)


def _shortest(number: float) -> str:
    """Every digit that is needed to read the same number again, and no `.0`."""
    return repr(float(number)).removesuffix(".0")


@dataclass(frozen=True, eq=False)
class Corrupted:
    """An image after a corruption.

    Attributes
    ----------
    image : Volume
        float32 (float64 stays), (C, D, H, W), on the same grid; what may not change is the same to the bit.
    snr_db : float
        ``10 log10( sum x^2 / sum (x' - x)^2 )`` over the whole image on the [0, 1] scale, after clipping;
        infinite if no voxel changed.
    strength : float
        The noise's level or the artifact's strength, in its own unit; it grows with the severity.
    """

    image: Volume
    snr_db: float
    strength: float


def corrupt(image: Volume, corruption: Corruption, seed: int, labels: np.ndarray | None = None) -> Corrupted:
    """Make an image worse; its grid and its labels stay what they are.

    Every channel is scaled to [0, 1] by its own range, changed, clipped to [0, 1] and scaled back. Only a
    gain is not clipped. One seed gives one pattern of each corruption at every strength, in every place.

    The level of a noise follows from its severity and the whole image, so that noise on a structure only is
    as dense there as it would be everywhere. An exact SNR counts the whole image's sums, too, whatever
    voxels may change: the same SNR on fewer voxels is denser noise.

    Parameters
    ----------
    image : Volume
        (C, D, H, W), finite, no channel of one value.
    corruption : Corruption
        Kind, strength and place.
    seed : int
        Of the random numbers, 0 or more; another one for each image.
    labels : np.ndarray, (D, H, W) or (1, D, H, W), optional
        The true labels; read only, and needed only if `corruption.where` is not "all".

    Raises
    ------
    ImageError
        If the image is not finite, has a channel of one value, or is too small for the artifact.
    OptionError
        If the SNR cannot be met, or the labels are missing, do not fit or have no such voxel.
    """
    allowed = _allowed(image, corruption, labels)
    x, low, span = _scaled(image, corruption)
    generator = np.random.default_rng([seed, zlib.crc32(corruption.name.encode())])
    if corruption.name in NOISE:
        changed, strength = _noisy(x.array, corruption, generator, allowed)
    else:
        changed, strength = _with_artifact(x, corruption, generator, allowed)
    number = np.float64 if image.array.dtype == np.float64 else np.float32
    array = np.where(changed != x.array, low + span * changed, image.array).astype(number)
    return Corrupted(image.with_array(array), snr_db(x.array, changed), strength)


def _noisy(
    x: np.ndarray, corruption: Corruption, generator: np.random.Generator, allowed: np.ndarray
) -> tuple[np.ndarray, float]:
    noise = NOISE[corruption.name]
    pattern = noise.draw(generator, x.shape)

    def noisy_at(level: float) -> np.ndarray:
        return np.where(allowed, noise.add(x, pattern, level), x)

    if corruption.severity is not None:
        level = noise.level_of(corruption.severity, x)
        return noisy_at(level), level
    start = noise.level(x, power_ratio(corruption.snr_db))
    try:
        return meet(x, noisy_at, corruption.snr_db, start, noise.most)
    except OptionError as failure:
        raise OptionError(f"corruption {corruption.key}: {failure}") from None


def _with_artifact(
    x: Volume, corruption: Corruption, generator: np.random.Generator, allowed: np.ndarray
) -> tuple[np.ndarray, float]:
    artifact = ARTIFACT[corruption.name]
    strength = artifact.strengths[corruption.severity - 1]
    changed = artifact.change(x, strength, generator)
    changed = np.clip(changed, 0, 1) if artifact.clipped else changed
    return np.where(allowed, changed, x.array), strength


def _scaled(image: Volume, corruption: Corruption) -> tuple[Volume, np.ndarray, np.ndarray]:
    """The image with each channel in [0, 1], and the lowest value and the range of each channel."""
    array = image.array.astype(np.float64)
    if not np.isfinite(array).all():
        remedy = "put another value there, for example that of the background"
        raise ImageError(f"corruption {corruption.key}: a voxel of the image is NaN or infinite; {remedy}")
    low = array.min(axis=(1, 2, 3), keepdims=True)
    span = np.ptp(array, axis=(1, 2, 3), keepdims=True)
    for index, width in enumerate(span.ravel(), 1):
        if width == 0:
            wrong = f"every voxel of channel {index} is {low.ravel()[index - 1]:g}"
            raise ImageError(f"corruption {corruption.key}: {wrong}; copy or export the image again")
    return image.with_array((array - low) / span), low, span


def _allowed(image: Volume, corruption: Corruption, labels: np.ndarray | None) -> np.ndarray:
    """Which voxels may change, bool (1, D, H, W)."""
    where = corruption.where
    if where == "all":
        return np.ones((1, *image.shape), bool)
    if labels is None:
        raise OptionError(f"corruption {corruption.key}: needs the labels of the image; give them")
    if labels.shape not in (image.shape, (1, *image.shape)):
        wrong = f"labels of shape {labels.shape} on an image of {image.shape}"
        raise OptionError(f"corruption {corruption.key}: {wrong}; give labels on the image's own grid")
    named = {"background": labels == 0, "structures": labels > 0}
    allowed = named.get(where, labels == where).reshape(1, *image.shape)
    if not allowed.any():
        wrong = "the labels have no such voxel"
        raise OptionError(
            f"corruption {corruption.key}: {wrong}; leave this image out or choose another place"
        )
    return allowed
