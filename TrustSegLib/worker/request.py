"""What is asked of the worker, and what it answers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from TrustSegLib.worker.protocol import WorkerError

NUMERIC_KINDS = "biuf"
"""Kinds of numpy types that an image may have: bool, integers, floats."""


@dataclass(frozen=True, eq=False)
class SegmentRequest:
    """One image to segment with one model.

    Attributes
    ----------
    array : np.ndarray
        `(C, D, H, W)` intensities as the file holds them.
    spacing : tuple of 3 floats
        mm along x, y, z.
    origin : tuple of 3 floats
        Center of the first voxel, LPS mm.
    direction : tuple of 9 floats
        Cosines of the axes, row-major, LPS, as in `imaging.Volume`.
    model : Path
        A bundle's folder or archive, or the name of a bundled model.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    maps : tuple of str
        Uncertainty maps to make.
    roi : str or None
        Region of interest, as `inference.Roi.parse` reads it.
    image_name : str
        How the report names the image.

    Raises
    ------
    WorkerError
        When the array or the geometry cannot be an image's.
    """

    array: np.ndarray = field(repr=False)
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    model: Path
    device: str = "auto"
    maps: tuple[str, ...] = ("error_probability",)
    roi: str | None = None
    image_name: str = ""

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        object.__setattr__(self, "array", array)
        if array.ndim != 4 or array.size == 0 or array.dtype.kind not in NUMERIC_KINDS:
            raise WorkerError(
                f"an image of shape {array.shape} and type {array.dtype} cannot be segmented; "
                "give numbers (channels, depth, height, width)"
            )
        for name, length in (("spacing", 3), ("origin", 3), ("direction", 9)):
            numbers = tuple(float(number) for number in getattr(self, name))
            if len(numbers) != length or not np.isfinite(numbers).all():
                raise WorkerError(f"the image's {name} is not {length} finite numbers: {numbers}; correct it")
            object.__setattr__(self, name, numbers)

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Line that asks for it; the worker's working folder is another, so paths become absolute."""
        return {
            "type": "segment",
            "id": request_id,
            "array": array_file,
            "spacing": self.spacing,
            "origin": self.origin,
            "direction": self.direction,
            "model": model_text(self.model),
            "device": self.device,
            "maps": list(self.maps),
            "roi": self.roi,
            "image_name": self.image_name,
        }


@dataclass(frozen=True, eq=False)
class SegmentAnswer:
    """What a segmentation gave, on the image's own grid.

    Attributes
    ----------
    labels : np.ndarray
        `(D, H, W)` uint8, 0 is background.
    maps : dict of str to np.ndarray
        Uncertainty maps by name, `(D, H, W)` float32.
    report : dict
        As `report.report_json` makes it.
    notices : tuple of str
        What was announced on the way; the report's warnings hold them too.
    """

    labels: np.ndarray = field(repr=False)
    maps: dict[str, np.ndarray] = field(repr=False)
    report: dict[str, Any] = field(repr=False)
    notices: tuple[str, ...] = ()


def model_text(model: str | Path) -> str:
    """Absolute path of a model that is there; anything else as it is, such as a bundled model's name."""
    return os.path.abspath(model) if os.path.exists(model) else str(model)
