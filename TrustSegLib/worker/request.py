"""What is asked of the worker."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from TrustSegLib.worker.expected import NUMERIC_KINDS, ExpectedSegmentation
from TrustSegLib.worker.protocol import WorkerError


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

    @property
    def expected(self) -> ExpectedSegmentation:
        """What its answer has to be."""
        return ExpectedSegmentation(self.array.shape[1:], self.maps)

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


def model_text(model: str | Path) -> str:
    """Absolute path of a model that is there; anything else as it is, such as a bundled model's name."""
    return os.path.abspath(model) if os.path.exists(model) else str(model)
