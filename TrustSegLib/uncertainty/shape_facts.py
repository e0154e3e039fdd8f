"""A few numbers that describe what was found in an image, to compare it with what a model has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty.input_facts import AXES, Fact, Kind, in_patient_axes
from TrustSegLib.uncertainty.volumes import NamedLabel

_MM3_PER_ML = 1000.0
_REAL_PART = 0.01  # of a structure: smaller parts are stray voxels, which are not counted

FOUND = Kind("structures", "", False, 0.05)
VOLUME = Kind("structures", "ml", True, 1.2)
EXTENT = Kind("structures", "mm", True, 1.15)
PARTS = Kind("structures", "", False, 1)
LARGEST = Kind("structures", "%", False, 5)
OFFSET = Kind("structures", "mm", False, 3)


def shape_facts(labels: Volume, structures: Sequence[NamedLabel]) -> dict[str, Fact]:
    """Return facts of the structures by name; of one that is empty only that it was not found.

    Parameters
    ----------
    labels : Volume
        Label map `(1, D, H, W)`, of any integer type, of the whole image.
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
            facts |= {start + name: fact for name, fact in own.items()}
    middle = np.array(array.shape[1:]) / 2 * spacing
    return facts | _place_facts(centers, {each.label: each.name for each in structures}, middle)


def _mask_facts(mask: np.ndarray, spacing: np.ndarray, name: str) -> dict[str, Fact]:
    """Of one structure in its box."""
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


def _center_mm(mask: np.ndarray, box: tuple[slice, ...], spacing: np.ndarray) -> np.ndarray:
    """Center of mass from the corner of the image, by counts per plane: a list of voxels may be large."""
    center = []
    for axis, part in enumerate(box):
        counts = mask.sum(axis=tuple(other for other in range(3) if other != axis))
        center.append(part.start + 0.5 + float(np.average(np.arange(mask.shape[axis]), weights=counts)))
    return np.array(center) * spacing


def _place_facts(
    centers: Mapping[int, np.ndarray], names: Mapping[int, str], middle: np.ndarray
) -> dict[str, Fact]:
    """Where all structures lie in the image, and each among all, to the patient's left, back and head."""
    facts: dict[str, Fact] = {}
    if not centers:
        return facts
    center = np.mean(list(centers.values()), axis=0)
    for axis, towards in enumerate(("left", "back", "head")):
        text = f"structures off the image's center towards the {towards}"
        facts[f"place_{towards}"] = Fact(float((center - middle)[axis]), OFFSET, text)
        # Of a part of the structures the common center is another one, and nothing to compare with.
        for label, own in centers.items() if 1 < len(centers) == len(names) else ():
            text = f"{names[label]} off the structures' center towards the {towards}"
            facts[f"structure_{label}_place_{towards}"] = Fact(float((own - center)[axis]), OFFSET, text)
    return facts
