"""Features of an image and of its segmentation, to compare with those of the training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty.volumes import NamedLabel

AXES = ("left-right", "front-back", "foot-head")
SIDES = (("right", "left"), ("front", "back"), ("foot", "head"))
"""Names of the two ends of each axis, as it increases towards LPS."""
SAMPLES = 128
"""Approximate number of voxels that are sampled along an axis."""

_PATIENT_AXIS = {letter: axis for axis, pair in enumerate(("LR", "PA", "SI")) for letter in pair}
_FALLING = "RAI"  # axes that run against LPS
AIR_HU, _BONE_HU = -500.0, 300.0
_NO_AIR_HU = -10.0  # a CT whose lowest value is above has neither air nor fat
_TISSUE_WITHOUT_INTERCEPT = (900.0, 1200.0)  # water is at 1000 or 1024 there
_MUCH_TISSUE, _MUCH_AIR = 0.1, 0.05  # of all voxels
DARK = 0.1
"""Share of the range of brightness below which MR shows air or padding."""
GROUPS = (
    "spacing",
    "position of the patient",
    "field of view",
    "intensities",
    "image quality",
    "structures",
    "border",
)
_MM3_PER_ML = 1000.0
_REAL_PART = 0.01  # of a structure: smaller parts are stray voxels, which are not counted


class Kind(NamedTuple):
    """Kind of a feature, and how its values are compared.

    Attributes
    ----------
    group : str
        What it describes, one of `GROUPS`.
    unit : str
        Of its values.
    is_ratio : bool
        Whether values are positive and compared by their ratio: twice is as far as half.
    tolerance : float
        Difference from the training range that never matters, in the unit, or as a factor of a ratio.
    hints : tuple of str
        What values below and above the training range mean.
    """

    group: str
    unit: str
    is_ratio: bool
    tolerance: float
    hints: tuple[str, str] = ("", "")


# Twice the voxels' size, and half of it: what it does to an image shows in its quality on the model's grid.
SPACING = Kind("spacing", "mm", True, 2.1)
TILT = Kind("position of the patient", "degrees", False, 15)
FIELD = Kind("field of view", "mm", True, 1.1)
SHARE = Kind("intensities", "%", False, 2)
HOUNSFIELD = Kind("intensities", "HU", False, 30)
SKEWNESS = Kind("intensities", "", False, 0.2)
FOUND = Kind("structures", "", False, 0.05)
VOLUME = Kind("structures", "ml", True, 1.2)
EXTENT = Kind("structures", "mm", True, 1.15)
PARTS = Kind("structures", "", False, 1)
LARGEST = Kind("structures", "%", False, 5)
OFFSET = Kind("structures", "mm", False, 3)
BORDER = Kind("border", "mm2", False, 5)


@dataclass(frozen=True)
class Fact:
    """One feature of an image.

    Attributes
    ----------
    value : float
        Finite; positive if the kind is a ratio.
    kind : Kind
        Its unit, and how it is compared.
    text : str
        Name for people, such as "share of air".
    """

    value: float
    kind: Kind
    text: str

    @property
    def unit(self) -> str:
        """Unit of the value."""
        return self.kind.unit


def input_facts(volume: Volume, modality: str) -> dict[str, Fact]:
    """Return the features of an image by name.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)` as it is in the file; HU if the modality is "CT".
    modality : str
        As in DICOM: intensities of "CT" are in HU, those of all others have no scale.

    Returns
    -------
    dict of str to Fact
        Without those that the image does not have: one value everywhere has no histogram.
    """
    array, spacing = in_patient_axes(volume)
    facts = {}
    for axis, step, count in zip(AXES, spacing, array.shape[1:], strict=True):
        facts[f"spacing_{axis}"] = Fact(float(step), SPACING, axis)
        facts[f"field_of_view_{axis}"] = Fact(float(step * count), FIELD, axis)
    facts["tilt"] = Fact(_tilt(volume), TILT, "tilt of the image against the patient's axes")
    for index, channel in enumerate(array, start=1):
        found = _hounsfield_facts(channel) if modality == "CT" else _relative_facts(channel)
        first, of = (f"channel_{index}_", f" of channel {index}") if len(array) > 1 else ("", "")
        facts |= {first + name: Fact(fact.value, fact.kind, fact.text + of) for name, fact in found.items()}
    return facts


def in_patient_axes(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """View `(C, left-right, front-back, foot-head)`, increasing towards LPS, and its spacing in mm."""
    letters = volume.orientation
    order = [[_PATIENT_AXIS[letter] for letter in letters].index(axis) for axis in range(3)]
    array = volume.array.transpose(0, *(3 - index for index in order))
    array = np.flip(array, [axis + 1 for axis, index in enumerate(order) if letters[index] in _FALLING])
    return array, np.array(volume.spacing)[order]


def _tilt(volume: Volume) -> float:
    """Largest angle between an axis of the image and the patient's axis that it stands for, degrees."""
    cosines = np.abs(np.reshape(volume.direction, (3, 3)))
    aligned = min(cosines[_PATIENT_AXIS[letter], index] for index, letter in enumerate(volume.orientation))
    return float(np.degrees(np.arccos(min(aligned, 1.0))))


def _relative_facts(channel: np.ndarray) -> dict[str, Fact]:
    """Features of intensities without a scale: invariant to gain and, except for the sign, to offset."""
    sample = _sample(channel)
    low, high = brightness_range(channel)
    if not low < high:
        return {}
    median = np.median(sample)
    scaled = np.clip((sample - low) / (high - low), 0, 1)
    deviation = scaled.std()
    texts = {
        "dark": (100 * (scaled < DARK).mean(), SHARE, "share of dark voxels (air, padding)"),
        "bright": (100 * (scaled > 1 - DARK).mean(), SHARE, "share of the brightest voxels"),
        "median": (100 * (median - low) / (high - low), SHARE, "median brightness within the range"),
        "skewness": (
            ((scaled - scaled.mean()) ** 3).mean() / deviation**3,
            SKEWNESS,
            "skewness of the histogram",
        ),
        "negative": (100 * (sample < 0).mean(), SHARE, "share of voxels below 0 (CT, or processed)"),
    }
    return {name: Fact(float(value), kind, text) for name, (value, kind, text) in texts.items()}


def _hounsfield_facts(channel: np.ndarray) -> dict[str, Fact]:
    """Features of CT. Values outside of the scanner's circle, often far below air, count as air."""
    sample = _sample(channel)
    body = sample[sample > AIR_HU]
    facts = {"air": Fact(float(100 * (sample <= AIR_HU).mean()), SHARE, "share of air")}
    if not body.size:
        return facts
    for percent in (5, 50, 95):
        value = float(np.percentile(body, percent))
        facts[f"body_{percent}"] = Fact(value, HOUNSFIELD, f"{percent} % of the body below")
    facts["bone"] = Fact(float(100 * (body > _BONE_HU).mean()), SHARE, "share of bone in the body")
    return facts


def not_hounsfield(volume: Volume, modality: str) -> str | None:
    """Return why the intensities of a CT cannot be HU, in one sentence.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)` as it is in the file.
    modality : str
        As in DICOM: only "CT" is in HU.

    Returns
    -------
    str or None
        None for other modalities, and where the intensities may be HU: a crop without air, such as one of the
        brain, may.
    """
    if modality != "CT":
        return None
    return next(filter(None, map(_without_hounsfield, volume.array)), None)


def _without_hounsfield(channel: np.ndarray) -> str | None:
    if brightness_range(channel)[0] < _NO_AIR_HU:
        return None
    sample = _sample(channel)
    low, high = _TISSUE_WITHOUT_INTERCEPT
    if ((sample > low) & (sample < high)).mean() >= _MUCH_TISSUE:
        return (
            "intensities are not in HU: air is at 0 and soft tissue near 1000, as if the rescale intercept "
            "had been left out; convert the DICOM series again"
        )
    share = float((sample == sample.min()).mean())
    if share < _MUCH_AIR:
        return None
    return (
        f"intensities are not in HU: {100 * share:.0f} % of the voxels have the lowest value, "
        f"{sample.min():.0f}, where CT has air at -1000; use the original CT, not one windowed or masked for "
        "display"
    )


def brightness_range(channel: np.ndarray) -> tuple[float, float]:
    """Darkest and brightest value of a channel `(D, H, W)` without its outermost 0.5 %."""
    low, high = np.percentile(_sample(channel), (0.5, 99.5))
    return float(low), float(high)


def _sample(channel: np.ndarray) -> np.ndarray:
    """At most `SAMPLES` voxels along each axis, float64."""
    return np.ascontiguousarray(channel[tuple(_every(count) for count in channel.shape)], np.float64)


def _every(count: int) -> slice:
    step = -(-count // SAMPLES)
    return slice((step - 1) // 2, None, step)


def shape_facts(labels: Volume, structures: Sequence[NamedLabel]) -> dict[str, Fact]:
    """Return the features of the structures by name; an empty one has only that it was not found.

    Parameters
    ----------
    labels : Volume
        Label map `(1, D, H, W)` of the whole image, of any integer type.
    structures : sequence of NamedLabel
        Each with `label` and `name`.
    """
    array, spacing = in_patient_axes(labels)
    boxes = ndimage.find_objects(array[0], max(structure.label for structure in structures))
    facts, centers = {}, {}
    for structure in structures:
        box, start = boxes[structure.label - 1], f"structure_{structure.label}_"
        facts[start + "found"] = Fact(float(box is not None), FOUND, f"{structure.name} found")
        if box is not None:
            mask = array[0][box] == structure.label
            centers[structure.label] = _center_mm(mask, box, spacing)
            own = _mask_facts(mask, spacing, structure.name)
            own |= _border_facts(mask, box, array.shape[1:], spacing, structure.name)
            facts |= {start + name: fact for name, fact in own.items()}
    middle = np.array(array.shape[1:]) / 2 * spacing
    return facts | _place_facts(centers, {each.label: each.name for each in structures}, middle)


def _mask_facts(mask: np.ndarray, spacing: np.ndarray, name: str) -> dict[str, Fact]:
    """Features of one structure in its bounding box."""
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    volume = float(sizes.sum() * np.prod(spacing)) / _MM3_PER_ML
    real = float((sizes >= _REAL_PART * sizes.sum()).sum())
    facts = {
        "volume": Fact(volume, VOLUME, f"volume of {name}"),
        "parts": Fact(real, PARTS, f"number of separate parts of {name}"),
        "largest_part": Fact(float(100 * sizes.max() / sizes.sum()), LARGEST, f"largest part of {name}"),
    }
    for axis, voxels, step in zip(AXES, mask.shape, spacing, strict=True):
        facts[f"extent_{axis}"] = Fact(float(voxels * step), EXTENT, f"{axis} extent of {name}")
    return facts


def _border_facts(
    mask: np.ndarray,
    box: tuple[slice, ...],
    shape: tuple[int, ...],
    spacing: np.ndarray,
    name: str,
) -> dict[str, Fact]:
    """Area of a structure's voxels on each face of the image, in mm2."""
    facts = {}
    for axis, sides in enumerate(SIDES):
        area = float(np.prod(np.delete(spacing, axis)))
        on_face = (box[axis].start == 0, box[axis].stop == shape[axis])
        for side, touches, end in zip(sides, on_face, (0, -1), strict=True):
            voxels = np.count_nonzero(mask.take(end, axis)) if touches else 0
            facts[f"border_{side}"] = Fact(
                float(voxels * area), BORDER, f"{name} at the image's border ({side})"
            )
    return facts


def _center_mm(mask: np.ndarray, box: tuple[slice, ...], spacing: np.ndarray) -> np.ndarray:
    """Center of mass from the corner of the image, by counts per plane, to need no list of voxels."""
    center = []
    for axis, part in enumerate(box):
        counts = mask.sum(axis=tuple(other for other in range(3) if other != axis))
        center.append(part.start + 0.5 + float(np.average(np.arange(mask.shape[axis]), weights=counts)))
    return np.array(center) * spacing


def _place_facts(
    centers: Mapping[int, np.ndarray], names: Mapping[int, str], middle: np.ndarray
) -> dict[str, Fact]:
    """Position of all structures in the image and of each among all: left, posterior, superior."""
    facts: dict[str, Fact] = {}
    if not centers:
        return facts
    center = np.mean(list(centers.values()), axis=0)
    for axis, towards in enumerate(("left", "back", "head")):
        text = f"structures off the image's center towards the {towards}"
        facts[f"place_{towards}"] = Fact(float((center - middle)[axis]), OFFSET, text)
        # Without some of the structures the common center is a different one: not comparable.
        for label, own in centers.items() if 1 < len(centers) == len(names) else ():
            text = f"{names[label]} off the structures' center towards the {towards}"
            facts[f"structure_{label}_place_{towards}"] = Fact(float((own - center)[axis]), OFFSET, text)
    return facts
