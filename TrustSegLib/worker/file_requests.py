"""What is asked of the worker about files: the process reads and writes them, and nobody waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from TrustSegLib.worker.expected import ExpectedCase, ExpectedValues
from TrustSegLib.worker.request import model_text


@dataclass(frozen=True)
class PlanBatch:
    """Ask for the images of a folder, and whether their results can be put into another.

    The answer has `targets`: `image` (a file, or the folder of a DICOM series), `folder` for its results, and
    `bytes` of its files.
    """

    images: Path
    output: Path

    array = None
    expected = ExpectedValues()

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Line that asks for it."""
        folders = {"images": str(self.images), "output": str(self.output)}
        return {"type": "plan_batch", "id": request_id, **folders}


@dataclass(frozen=True)
class SegmentFile:
    """Segment an image and write what the command line writes; the answer has `notices`.

    Attributes
    ----------
    image : Path
        The file, or the folder of a DICOM series.
    folder : Path
        For its results; an earlier run's are replaced.
    staging : Path
        Does not exist, on the disk of `folder`: they are made in it. Whoever asks deletes what is left of it
        when the request fails or is stopped.
    model, device, maps
        As in `SegmentRequest`; with the map "error_probability".
    """

    image: Path
    folder: Path
    staging: Path
    model: Path
    device: str = "auto"
    maps: tuple[str, ...] = ("error_probability",)

    array = None
    expected = ExpectedValues()

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Line that asks for it."""
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

    The answer has `cases`, the worst first: the fields of `report.batch_tables.CaseRow`.

    Attributes
    ----------
    folder : Path
        For the tables.
    cases : sequence of (str, str or None, str or None)
        Image, folder of its results, and why there are none.
    """

    folder: Path
    cases: Sequence[tuple[str, str | None, str | None]]

    array = None
    expected = ExpectedValues()

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Line that asks for it."""
        cases = [list(case) for case in self.cases]
        return {"type": "write_tables", "id": request_id, "folder": str(self.folder), "cases": cases}


@dataclass(frozen=True)
class ReadCase:
    """Ask for the image of a case and for the results in its folder; the answer is a `CaseAnswer`."""

    image: Path
    folder: Path

    array = None
    expected = ExpectedCase()

    def message(self, request_id: str, array_file: str) -> dict[str, Any]:
        """Line that asks for it."""
        return {"type": "read_case", "id": request_id, "image": str(self.image), "folder": str(self.folder)}


FileRequest = PlanBatch | SegmentFile | WriteTables | ReadCase
