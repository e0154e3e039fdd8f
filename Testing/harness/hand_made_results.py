"""A result made by hand: two touching structures, an empty third one, a blurred boundary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from TrustSegLib.imaging import Volume
from TrustSegLib.inference import Case, SegmentationResult
from TrustSegLib.uncertainty import structure_rows


@dataclass(frozen=True)
class NamedColor:
    """What a picture needs of a structure."""

    label: int
    name: str
    color: tuple[int, int, int]


STRUCTURES = (
    NamedColor(1, "Front", (230, 159, 0)),
    NamedColor(2, "Back", (0, 158, 115)),
    NamedColor(3, "Missing", (204, 121, 167)),
)
LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def hand_made_volume(
    shape: tuple[int, int, int] = (20, 24, 28), spacing: tuple[float, float, float] = (1.0, 1.5, 2.0)
) -> Volume:
    """Noise with different values everywhere, axes to left, posterior, superior."""
    array = np.random.default_rng(0).normal(100, 20, (1, *shape)).astype(np.float32)
    return Volume(array, spacing, (-10.0, -20.0, 30.0), LPS)


def hand_made_labels(shape: tuple[int, int, int]) -> np.ndarray:
    """Structure 1 in front of structure 2, right of the center and low."""
    labels = np.zeros((1, *shape), dtype=np.uint8)
    labels[0, 5:10, 8:12, 6:12] = 1
    labels[0, 5:10, 12:16, 6:12] = 2
    return labels


def hand_made_result(
    volume: Volume, labels: np.ndarray, error: np.ndarray | None = None, **other
) -> SegmentationResult:
    """A result on the grid of `volume`; error probability .3 in the structures and .01 elsewhere."""
    if error is None:
        error = np.where(labels > 0, 0.3, 0.01).astype(np.float32)
    mask, uncertainty = volume.with_array(labels), volume.with_array(error)
    values = {
        "labels": mask,
        "maps": {"error_probability": uncertainty, "entropy": uncertainty},
        "structures": structure_rows(mask, uncertainty, STRUCTURES),
        "model": {"name": "tiny", "version": "0.1.0", "sha256": "0f" * 32},
        "case": Case(warnings=("The image is dark.",)),
        "provenance": {"versions": {"trustseg": "0.1.0"}, "device": "cpu", "times": {"predict": 0.5}},
    }
    return SegmentationResult(**{**values, **other})
