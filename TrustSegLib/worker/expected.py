"""What a request has for an answer: which arrays come as files, and what is made of them.

`arrays` raises KeyError, TypeError or ValueError where the process says what was not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from TrustSegLib.worker.protocol import ProtocolError

NUMERIC_KINDS = "biuf"
"""Kinds of numpy types that an image may have: bool, integers, floats."""


class ArrayFile(NamedTuple):
    """File of an array, and what it must hold."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype | type[np.generic]


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


@dataclass(frozen=True, eq=False, kw_only=True)
class CaseAnswer(SegmentAnswer):
    """A case that was segmented before, with its image.

    Attributes
    ----------
    image : np.ndarray
        `(C, D, H, W)` intensities as the file holds them.
    spacing, origin, direction : tuple of floats
        As in `SegmentRequest`.
    """

    image: np.ndarray = field(repr=False)
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


class ExpectedSegmentation:
    """Mask and maps of an image.

    Parameters
    ----------
    shape : tuple of int
        `(D, H, W)` of the image.
    maps : tuple of str
        Names of the maps.
    """

    def __init__(self, shape: tuple[int, ...], maps: tuple[str, ...]) -> None:
        self._shape, self._maps = shape, maps

    def arrays(self, message: Mapping[str, Any]) -> dict[str, ArrayFile]:
        """Files of the answer: the labels, and the maps by name after "map "."""
        files = message["maps"]
        if set(files) != set(self._maps):
            raise ProtocolError(f"the answer has maps {sorted(files)}, not {sorted(self._maps)}")
        return _result_files(message, self._shape, self._maps)

    def answer(self, message: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SegmentAnswer:
        """Put the answer together."""
        return SegmentAnswer(**_result_fields(message, arrays))


class ExpectedValues:
    """No arrays: the values of the message itself."""

    def arrays(self, message: Mapping[str, Any]) -> dict[str, ArrayFile]:
        """No files."""
        dict(message["answer"])
        return {}

    def answer(self, message: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The values."""
        return dict(message["answer"])


class ExpectedCase:
    """An image with the results that lie in a folder; its size is not known before."""

    def arrays(self, message: Mapping[str, Any]) -> dict[str, ArrayFile]:
        """Files of the answer: those of a segmentation, and the image."""
        shape, dtype = tuple(int(length) for length in message["shape"]), np.dtype(str(message["dtype"]))
        if len(shape) != 4 or min(shape) < 1 or dtype.kind not in NUMERIC_KINDS:
            raise ValueError(f"an image of shape {shape} and type {dtype}")
        if _numbers(message, "spacing", 3) and _numbers(message, "origin", 3):
            _numbers(message, "direction", 9)
        image = ArrayFile(str(message["image"]), shape, dtype)
        return {"image": image, **_result_files(message, shape[1:], tuple(message["maps"]))}

    def answer(self, message: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> CaseAnswer:
        """Put the answer together."""
        geometry = {
            name: _numbers(message, name, length)
            for name, length in (("spacing", 3), ("origin", 3), ("direction", 9))
        }
        return CaseAnswer(**_result_fields(message, arrays), image=arrays["image"], **geometry)


Expected = ExpectedSegmentation | ExpectedValues | ExpectedCase


def _result_files(
    message: Mapping[str, Any], shape: tuple[int, ...], maps: tuple[str, ...]
) -> dict[str, ArrayFile]:
    dict(message["report"])
    files = {f"map {name}": ArrayFile(str(message["maps"][name]), shape, np.float32) for name in maps}
    return {**files, "labels": ArrayFile(str(message["labels"]), shape, np.uint8)}


def _result_fields(message: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {
        "labels": arrays["labels"],
        "maps": {name: arrays[f"map {name}"] for name in message["maps"]},
        "report": dict(message["report"]),
        "notices": tuple(map(str, message["notices"])),
    }


def _numbers(message: Mapping[str, Any], name: str, length: int) -> tuple[float, ...]:
    numbers = tuple(float(number) for number in message[name])
    if len(numbers) != length:
        raise ValueError(f"{name} of {len(numbers)} numbers")
    return numbers
