"""What a planning CT shows beside the patient, added to patches of images that show none of it.

Public planning CTs are often blanked outside of the body. Clinical ones have a couch and a headrest, a
thermoplastic mask, a wider field of view, streaks from fillings, and scanners that differ by some HU. All of
it is drawn here in HU and mm, on the axes that the configuration's orientation names: no axis is taken for
granted.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from monai.transforms import MapTransform, Randomizable
from scipy import ndimage
from torch import Tensor, from_numpy

from trustseg_training.config import FitConfiguration

AIR, METAL = -1000.0, 3000.0  # HU

#: HU above which a voxel belongs to the patient: fat is about -100, half of it in air -550.
BODY = -300.0

#: Share of the patches with each addition.
COUCH, MASK, STREAKS, CUT, SHIFT, NOISE, BLUR, THICK = 0.6, 0.4, 0.15, 0.15, 0.6, 0.4, 0.15, 0.2

#: Share of the images with a wider field of view, and the most that it adds on a side, in mm.
WIDER, MARGIN = 0.3, 100.0


@dataclass(frozen=True)
class Axes:
    """Where the body's directions lie in an array (D, H, W).

    Attributes
    ----------
    posterior, superior, left_right : int
        Axis of the array.
    posterior_is_last : bool
        Whether the highest index of its axis is the most posterior one.
    spacing : tuple of float
        mm along (D, H, W).
    """

    posterior: int
    superior: int
    left_right: int
    posterior_is_last: bool
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, configuration: FitConfiguration) -> Axes:
        """Those of the arrays that a network of this configuration sees."""
        letters = configuration.orientation[::-1]  # x, y, z to D, H, W

        def place(pair: str) -> int:
            return next(index for index, letter in enumerate(letters) if letter in pair)

        return cls(place("AP"), place("SI"), place("LR"), "P" in letters, configuration.spacing[::-1])


class WiderField(Randomizable, MapTransform):
    """Air around some of the images, by up to `MARGIN` on every side."""

    def __init__(self, configuration: FitConfiguration) -> None:
        MapTransform.__init__(self, ["image", "label"])
        self.spacing = configuration.spacing[::-1]

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        """Pad ``image`` and ``label`` (C, D, H, W) with their lowest value: air, and no structure."""
        if self.R.random() >= WIDER:
            return dict(data)
        sides = [[int(self.R.uniform(0, MARGIN / size)) for _ in range(2)] for size in self.spacing]
        return {**data, **{name: _padded(data[name], sides) for name in self.keys}}


def _padded(array: Tensor, sides: list[list[int]]) -> Tensor:
    lowest = array.amin().item()
    return from_numpy(np.pad(array.numpy(), [(0, 0), *sides], constant_values=lowest))


class PlanningRoom(Randomizable, MapTransform):
    """Couch, mask, streaks, cut fields of view, and what scanners do to the HU of a patch."""

    def __init__(self, configuration: FitConfiguration) -> None:
        MapTransform.__init__(self, ["image", "label"])
        self.lower, self.upper = configuration.normalization.limits
        self.axes = Axes.of(configuration)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        """Change ``image`` (C, D, H, W) or (C, H, W), windowed to [0, 1]; ``label`` only where it is cut."""
        image, label = data["image"], data["label"]
        shape = image.shape if image.ndim == 4 else (image.shape[0], 1, *image.shape[1:])
        width = self.upper - self.lower
        hu = image.numpy().reshape(shape).astype(np.float32) * width + self.lower
        cut = label.numpy().reshape(1, *shape[1:]).copy()
        for channel in hu:
            self._objects(channel)
        if self.R.random() < CUT:
            self._cut(hu, cut)
        for index, channel in enumerate(hu):
            hu[index] = self._scanner(channel)
        windowed = np.clip((hu - self.lower) / width, 0, 1).reshape(image.shape).astype(np.float32)
        return {**data, "image": from_numpy(windowed), "label": from_numpy(cut.reshape(label.shape))}

    def _objects(self, hu: np.ndarray) -> None:
        """Couch, mask and streaks, into an image (D, H, W)."""
        body = hu > max(BODY, self.lower + 1)
        chosen = self.R.random(3) < (COUCH, MASK, STREAKS)
        if not body.any():
            return
        outside = outside_of(body, self.axes)
        if chosen[0]:
            add_couch(hu, body, outside, self.axes, self.R)
        if chosen[1]:
            add_mask(hu, body, outside, self.axes, self.R)
        if chosen[2]:
            add_streaks(hu, body, min(METAL, self.upper), self.axes, self.R)

    def _cut(self, hu: np.ndarray, label: np.ndarray) -> None:
        """End the field of view above or below a slice: what is not in the image has no label."""
        axis = self.axes.superior
        size = hu.shape[axis + 1]
        kept = int(self.R.uniform(0.4, 0.95) * size)
        beyond = slice(kept, None) if self.R.random() < 0.5 else slice(0, size - kept)
        place = (slice(None), *(beyond if each == axis else slice(None) for each in range(3)))
        hu[place], label[place] = AIR, 0

    def _scanner(self, hu: np.ndarray) -> np.ndarray:
        """Blur, thick slices, noise and a shift of all HU."""
        chosen = self.R.random(4) < (BLUR, THICK, NOISE, SHIFT)
        if chosen[0]:
            hu = ndimage.gaussian_filter(hu, self.R.uniform(0.3, 0.8), mode="nearest")
        if chosen[1]:
            hu = _thick(hu, self.axes.superior, int(self.R.randint(2, 4)), int(self.R.randint(3)))
        if chosen[2]:
            hu = hu + self.R.normal(0, self.R.uniform(5, 60), hu.shape)
        return hu + self.R.uniform(-20, 20) if chosen[3] else hu


def outside_of(body: np.ndarray, axes: Axes) -> np.ndarray:
    """Voxels from which a straight way leads out of the patch without meeting the body, to a side or face.

    Parameters
    ----------
    body : array of bool
        (D, H, W).
    axes : Axes
        Of the array.

    Returns
    -------
    array of bool
        Air around the patient, without that of airways and sinuses.
    """
    free = np.zeros_like(body)
    for axis in (axes.posterior, axes.left_right):
        for way in (body, np.flip(body, axis)):
            met = np.logical_or.accumulate(way, axis=axis)
            free |= ~(met if way is body else np.flip(met, axis))
    return free


def add_couch(
    hu: np.ndarray, body: np.ndarray, outside: np.ndarray, axes: Axes, random: np.random.RandomState
) -> None:
    """Draw one or two plates behind the patient, flat or curved towards its sides, into the air.

    Parameters
    ----------
    hu : array
        (D, H, W), changed in place.
    body, outside : array of bool
        (D, H, W); only voxels outside are changed.
    axes : Axes
        Of the arrays.
    random : numpy.random.RandomState
        Draws distance (0-45 mm), curvature, tilt, width, thickness (2-20 mm) and -700 to 200 HU.
    """
    depth = _positions(body.shape, axes.posterior, axes.spacing)
    depth = depth if axes.posterior_is_last else -depth
    across = _positions(body.shape, axes.left_right, axes.spacing)
    along = _positions(body.shape, axes.superior, axes.spacing)
    back = _last(np.broadcast_to(depth, body.shape), body)
    middle = float(np.broadcast_to(across, body.shape)[body].mean())
    curvature = random.choice([0, 1]) * random.uniform(0, 1 / 250)  # 1/mm
    tilt = random.uniform(-0.1, 0.1)
    sideways = across - middle
    surface = back + random.uniform(0, 45) - curvature * sideways**2 / 2 + tilt * (along - along.mean())
    within = np.abs(sideways) <= random.uniform(60, 280)
    if random.random() < 0.3:  # a headrest ends somewhere
        end = random.uniform(along.min(), along.max())
        within = within & ((along > end) if random.random() < 0.5 else (along < end))
    room = outside & within
    size = axes.spacing[axes.posterior]
    for distance in (0.0, random.uniform(12, 60))[: random.randint(1, 3)]:
        _blend(
            hu,
            _plate(depth - surface - distance, random.uniform(2, 20), size) * room,
            random.uniform(-700, 200),
        )


def add_mask(
    hu: np.ndarray, body: np.ndarray, outside: np.ndarray, axes: Axes, random: np.random.RandomState
) -> None:
    """Draw a thermoplastic mask around the front and sides: a shell of less than a voxel, perforated.

    Parameters
    ----------
    hu, body, outside, axes, random
        As for `add_couch`; the mask is 1.6 to 3.2 mm thick and up to two voxels off the skin.
    """
    near = ndimage.binary_dilation(body, iterations=1 + random.randint(3))
    shell = near & ~ndimage.binary_erosion(near) & outside
    depth = _positions(body.shape, axes.posterior, axes.spacing)
    depth = depth if axes.posterior_is_last else -depth
    everywhere = np.broadcast_to(depth, body.shape)[body]
    shell &= depth < np.percentile(everywhere, random.uniform(40, 95))
    size = float(np.mean([axes.spacing[axes.posterior], axes.spacing[axes.left_right]]))
    share = min(random.uniform(1.6, 3.2) / size, 1)
    perforated = random.uniform(0.5, 1, body.shape).astype(np.float32)
    _blend(hu, shell * share * perforated, random.uniform(-100, 300))


def add_streaks(
    hu: np.ndarray, body: np.ndarray, bright: float, axes: Axes, random: np.random.RandomState
) -> None:
    """Draw a filling with bright and dark rays into a few slices, where the image has teeth or bone.

    Parameters
    ----------
    hu, body, axes, random
        As for `add_couch`; rays stay within the body, reach about 60 mm and have up to 500 HU.
    bright : float
        HU from which a voxel may be that of a filling.
    """
    candidates = np.argwhere(hu >= bright)
    if not len(candidates):
        return
    center = candidates[random.randint(len(candidates))]
    way = [
        (np.arange(size) - place).reshape([-1 if axis == each else 1 for each in range(3)])
        * axes.spacing[axis]
        for axis, (size, place) in enumerate(zip(hu.shape, center, strict=True))
    ]
    y, x, z = way[axes.posterior], way[axes.left_right], way[axes.superior]
    radius = np.hypot(x, y)
    slices = np.abs(z) <= random.uniform(1, 10)
    hu += _rays(np.arctan2(y, x), random) * np.exp(-radius / 60) * (slices & body)
    hu[(radius <= random.uniform(2, 7)) & slices & body] = METAL


def _rays(angle: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """HU over the angle: rays through the center, each bright or dark."""
    total = np.zeros_like(angle, np.float32)
    for _ in range(random.randint(4, 10)):
        off = np.abs(np.sin(angle - random.uniform(0, math.pi)))
        total += random.uniform(-500, 500) * np.exp(-((off / random.uniform(0.03, 0.15)) ** 2) / 2)
    return total


def _positions(shape: tuple[int, ...], axis: int, spacing: tuple[float, ...]) -> np.ndarray:
    """mm along an axis, in a shape that broadcasts."""
    return (np.arange(shape[axis]) * spacing[axis]).reshape([-1 if axis == each else 1 for each in range(3)])


def _last(positions: np.ndarray, body: np.ndarray) -> float:
    """mm of the body's back in this patch, a few voxels of noise left out."""
    return float(np.percentile(positions[body], 99.9))


def _plate(distance: np.ndarray, thickness: float, voxel: float) -> np.ndarray:
    """Share of each voxel that lies within a plate; mm."""
    return np.clip((thickness + voxel) / 2 - np.abs(distance), 0, min(thickness, voxel)) / voxel


def _blend(hu: np.ndarray, share: np.ndarray, value: float) -> None:
    """A material in a share of each voxel, air in the rest of what was air."""
    np.copyto(hu, np.maximum(hu, AIR + share * (value - AIR)), where=share > 0)


def _thick(hu: np.ndarray, axis: int, count: int, start: int) -> np.ndarray:
    """Means of so many slices each, interpolated to the slices that there were."""
    size = hu.shape[axis]
    if size <= 2 * count:
        return hu
    mean = ndimage.uniform_filter1d(hu, count, axis, mode="nearest")
    centers = np.arange(start % count, size, count)
    places = np.clip(np.interp(np.arange(size), centers, np.arange(len(centers))), 0, len(centers) - 1)
    low = np.minimum(places.astype(int), len(centers) - 2)
    share = (places - low).reshape([-1 if axis == each else 1 for each in range(3)]).astype(np.float32)
    kept = mean.take(centers, axis)
    return kept.take(low, axis) * (1 - share) + kept.take(low + 1, axis) * share
