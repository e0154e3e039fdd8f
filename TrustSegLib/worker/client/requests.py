"""Requests to the worker, about an image in memory or about files, each with the result that it expects.

`arrays` of an expected result raises KeyError, TypeError or ValueError for a message that does not match the
request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from TrustSegLib.contract import DEFAULT_MAP
from TrustSegLib.worker.protocol import CaseOutcome, ProtocolError, WorkerError

NUMERIC_KINDS = "biuf"
"""Kinds of numpy types that an image may have: bool, integers, floats."""


class ArrayFile(NamedTuple):
    """File of an array, with the expected shape and type."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype | type[np.generic]


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """Result of a segmentation, on the grid of the image.

    Attributes
    ----------
    labels : np.ndarray
        `(D, H, W)` uint8, 0 is background.
    maps : dict of str to np.ndarray
        Uncertainty maps by name, `(D, H, W)` float32.
    report : dict
        As `report.report_json` makes it.
    notices : tuple of str
        Announcements during the run; they are among the report's warnings, too.
    """

    labels: np.ndarray = field(repr=False)
    maps: dict[str, np.ndarray] = field(repr=False)
    report: dict[str, Any] = field(repr=False)
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class CaseResult(SegmentResult):
    """Result of an earlier segmentation, with its image.

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
        """Files of the result: the labels, and the maps as "map <name>"."""
        files = message["maps"]
        if set(files) != set(self._maps):
            raise ProtocolError(f"the result has maps {sorted(files)}, not {sorted(self._maps)}")
        return _result_files(message, self._shape, self._maps)

    def result(self, message: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SegmentResult:
        """Assemble the result."""
        return SegmentResult(**_result_fields(message, arrays))


class ExpectedValues:
    """Values in the message itself, without arrays."""

    def arrays(self, message: Mapping[str, Any]) -> dict[str, ArrayFile]:
        """No files."""
        dict(message["answer"])
        return {}

    def result(self, message: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The values."""
        return dict(message["answer"])


class ExpectedCase:
    """An image with the results in a folder; its size is not known in advance."""

    def arrays(self, message: Mapping[str, Any]) -> dict[str, ArrayFile]:
        """Files of the result: those of a segmentation, and the image."""
        shape, dtype = tuple(int(length) for length in message["shape"]), np.dtype(str(message["dtype"]))
        if len(shape) != 4 or min(shape) < 1 or dtype.kind not in NUMERIC_KINDS:
            raise ValueError(f"an image of shape {shape} and type {dtype}")
        if _numbers(message, "spacing", 3) and _numbers(message, "origin", 3):
            _numbers(message, "direction", 9)
        image = ArrayFile(str(message["image"]), shape, dtype)
        return {"image": image, **_result_files(message, shape[1:], tuple(message["maps"]))}

    def result(self, message: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> CaseResult:
        """Assemble the result."""
        geometry = {
            name: _numbers(message, name, length)
            for name, length in (("spacing", 3), ("origin", 3), ("direction", 9))
        }
        return CaseResult(**_result_fields(message, arrays), image=arrays["image"], **geometry)


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
    model : Path or str
        A bundle's folder or archive, the name of a bundled or added model, or "auto": the one that fits the
        image.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    maps : tuple of str
        Uncertainty maps to make.
    roi : str or None
        Region of interest, as `inference.Roi.parse` reads it.
    image_name : str
        How the report names the image.
    modality, body_part : str
        As its DICOM header has them; empty if it has none.

    Raises
    ------
    WorkerError
        When the array or the geometry cannot be an image's.
    """

    array: np.ndarray = field(repr=False)
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    model: Path | str
    device: str = "auto"
    maps: tuple[str, ...] = (DEFAULT_MAP,)
    roi: str | None = None
    image_name: str = ""
    modality: str = ""
    body_part: str = ""

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
        """Result that is expected."""
        return ExpectedSegmentation(self.array.shape[1:], self.maps)

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Message of the request; paths become absolute, as the worker has another working folder."""
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
            "modality": self.modality,
            "body_part": self.body_part,
        }


def model_text(model: str | Path) -> str:
    """Absolute path of an existing model; anything else unchanged, such as the name of a bundled model."""
    return os.path.abspath(model) if os.path.exists(model) else str(model)


@dataclass(frozen=True)
class PlanBatch:
    """List the images of a folder, and check that results can be written to another.

    The result has `targets`: `image` (a file, or the folder of a DICOM series), `folder` for its results, and
    `bytes` of its files.
    """

    images: Path
    output: Path

    array = None
    expected = ExpectedValues()

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Message of the request."""
        folders = {"images": str(self.images), "output": str(self.output)}
        return {"type": "plan_batch", "id": request_id, **folders}


@dataclass(frozen=True)
class SegmentFile:
    """Segment an image and write the files of the command line; the result has `notices`.

    Attributes
    ----------
    image : Path
        The file, or the folder of a DICOM series.
    folder : Path
        For its results; an earlier run's are replaced.
    staging : Path
        Does not exist yet, on the disk of `folder`: the files are written in it first. The caller deletes
        what is left of it when the request fails or is stopped.
    model, device, maps
        As in `SegmentRequest`; with the map "error_probability".
    """

    image: Path
    folder: Path
    staging: Path
    model: Path | str
    device: str = "auto"
    maps: tuple[str, ...] = (DEFAULT_MAP,)

    array = None
    expected = ExpectedValues()

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Message of the request."""
        return {
            "type": "segment_file",
            "id": request_id,
            "image_name": str(self.image),
            "folder": str(self.folder),
            "staging": str(self.staging),
            "model": model_text(self.model),
            "device": self.device,
            "maps": list(self.maps),
            "roi": None,
        }


@dataclass(frozen=True)
class WriteTables:
    """Write the tables of a batch from the reports of its cases.

    The result has `cases`, the worst first: the fields of `contract.CaseRow`.

    Attributes
    ----------
    folder : Path
        For the tables.
    cases : sequence of CaseOutcome
    """

    folder: Path
    cases: Sequence[CaseOutcome]

    array = None
    expected = ExpectedValues()

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Message of the request."""
        cases = [list(case) for case in self.cases]
        return {"type": "write_tables", "id": request_id, "folder": str(self.folder), "cases": cases}


@dataclass(frozen=True)
class ReadCase:
    """Read the image of a case and the results in its folder; the result is a `CaseResult`."""

    image: Path
    folder: Path

    array = None
    expected = ExpectedCase()

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Message of the request."""
        return {"type": "read_case", "id": request_id, "image": str(self.image), "folder": str(self.folder)}


FileRequest = PlanBatch | SegmentFile | WriteTables | ReadCase
