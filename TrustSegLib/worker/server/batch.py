"""A batch of image files: list them, segment one into its folder, write the tables, read a case."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import SimpleITK as sitk

from TrustSegLib.cases.failures import one_case
from TrustSegLib.cases.image_folders import IMAGE_EXTENSIONS, files_in, holds_dicom_images
from TrustSegLib.cases.outputs import check_targets, publish
from TrustSegLib.cases.targets import plan_targets
from TrustSegLib.contract import MASK_FILE, REPORT_FILE, CaseRow
from TrustSegLib.errors import ImageError, output_error
from TrustSegLib.imaging import Volume, read_labels, read_volume
from TrustSegLib.inference import Cancelled
from TrustSegLib.report.batch_tables import case_row, check_tables, worst_first, write_batch_tables
from TrustSegLib.worker.protocol import CaseOutcome

if TYPE_CHECKING:
    from TrustSegLib.inference import Choice, SegmentOptions
    from TrustSegLib.worker.server.loaded_model import LoadedModel
    from TrustSegLib.worker.server.segmentation import SegmentJob


REMEDY = "choose another output folder"


class FilePlace(NamedTuple):
    """An image, the folder for its results, and the one in which they are made."""

    image: Path
    folder: Path
    staging: Path


def plan_batch(images: Path, output: Path) -> list[dict[str, Any]]:
    """List the images of a folder, each with the folder for its results and the size of its files.

    Raises
    ------
    TrustSegError
        The folder holds no images, or the results cannot be written to `output` or would be among slices.
    """
    if not images.is_dir():
        raise ImageError(f"{images}: is no folder; choose a folder with images")
    targets = plan_targets([str(images)], str(output))
    if targets[0].image == images:
        raise _no_batch(images)
    check_targets(targets, overwrite=False, remedy=REMEDY)
    check_tables(output, overwrite=False, remedy=REMEDY)
    return [
        {"image": str(target.image), "folder": str(target.folder), "bytes": _size(target.image)}
        for target in targets
    ]


def segment_file(
    job: SegmentJob,
    place: FilePlace,
    model_for: Callable[[Volume], tuple[LoadedModel, Choice | None]],
    options: SegmentOptions,
    cancelled: Callable[[], bool],
) -> None:
    """Segment an image; its results are in its folder whole, or not at all.

    Raises
    ------
    Cancelled
        When `cancelled` returned True.
    TrustSegError
        One line that names the image; of a bug (`UnexpectedError`) also the log file with its traceback.
    """
    with one_case(place.image, place.folder.parent):
        volume = read_volume(place.image)
        model, choice = model_for(volume)
        result = job.segment(volume, model, options, cancelled, choice)
        _write(job, place, volume, result, model, options, cancelled)


def write_tables(folder: Path, cases: Sequence[CaseOutcome]) -> list[dict[str, Any]]:
    """Write the tables of a batch and return the rows of the cases, the worst first.

    Raises
    ------
    OutputError
        They cannot be written.
    """
    rows, reports = [], []
    for case in cases:
        report = None if case.folder is None else _report(Path(case.folder) / REPORT_FILE)
        if report is None:
            rows.append(CaseRow(case.image, error=case.error or f"{case.folder}: its report is gone"))
        else:
            rows.append(case_row(report, case.folder))
            reports.append(report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error, REMEDY, "cannot be made") from error
    write_batch_tables(folder, rows, reports)
    return [asdict(row) for row in worst_first(rows)]


def _no_batch(folder: Path) -> ImageError:
    if holds_dicom_images(folder):
        return ImageError(
            f"{folder}: holds the slices of one image; load it and click Segment, or choose the folder above"
        )
    kinds = ", ".join(IMAGE_EXTENSIONS)
    return ImageError(
        f"{folder}: holds no images ({kinds}) and no folders of DICOM images; choose another folder"
    )


def _size(image: Path) -> int:
    """Bytes of a file, or of the slices of a series; 0 of one that cannot be read, and so takes no time."""
    try:
        return sum(path.stat().st_size for path in (files_in(image) if image.is_dir() else [image]))
    except OSError:
        return 0  # The other images go on: reading this one fails with a message of its own.


def _write(job: SegmentJob, place: FilePlace, volume, result, model, options, cancelled) -> None:
    # Here: it imports Matplotlib, which only this job needs.
    from TrustSegLib.cases.case_files import write_case

    if cancelled():
        raise Cancelled
    try:
        place.staging.mkdir(parents=True)
    except OSError as error:
        raise output_error(place.staging, error, REMEDY, "cannot be made") from error
    command = job.command(options)
    write_case(place.staging, volume, result, model.description, image_path=place.image, command=command)
    if cancelled():
        raise Cancelled
    publish(place.staging, place.folder)


def _report(path: Path) -> dict[str, Any] | None:
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _parsed(path: Path, changed: int) -> dict[str, Any]:
    """A report; the tables are written after every case, and a batch can be long."""
    return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True, eq=False)
class Case:
    """Image and results of one case.

    Attributes
    ----------
    image : Volume
        `(C, D, H, W)`.
    labels : Volume
        `(1, D, H, W)` uint8.
    maps : dict of str to Volume
        By name, `(1, D, H, W)`.
    report : dict
        Its `report.json`.
    """

    image: Volume
    labels: Volume
    maps: dict[str, Volume]
    report: dict[str, Any]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays that are transferred as files, by name."""
        maps = {f"map {name}": volume.array[0].astype(np.float32) for name, volume in self.maps.items()}
        return {"image": self.image.array, "labels": self.labels.array[0], **maps}

    def message(self, files: dict[str, str]) -> dict[str, Any]:
        """Fields of the message; `files` are the file names of `arrays`."""
        image = self.image
        return {
            "image": files["image"],
            "shape": list(image.array.shape),
            "dtype": image.array.dtype.str,
            "spacing": list(image.spacing),
            "origin": list(image.origin),
            "direction": list(image.direction),
            "labels": files["labels"],
            "maps": {name: files[f"map {name}"] for name in self.maps},
            "report": self.report,
            "notices": [],
        }


def read_case(image_path: Path, folder: Path) -> Case:
    """Read a case.

    Raises
    ------
    ImageError
        A file is missing or damaged, or the mask is not on the image's grid.
    """
    report, maps = _read_report(folder / REPORT_FILE)
    image, labels = read_volume(image_path), read_labels(folder / MASK_FILE)
    volumes = {name: _read_map(folder / file) for name, file in maps.items()}
    for volume in (labels, *volumes.values()):
        if volume.array.shape[1:] != image.array.shape[1:]:
            raise ImageError(f"{folder}: its results are not of {image_path}; segment it again")
    return Case(image, labels, volumes, report)


def _read_map(path: Path) -> Volume:
    """Read a map; unlike an image, it may be constant."""
    try:
        return Volume.from_sitk(sitk.ReadImage(str(path)))
    except (RuntimeError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read; segment the image again") from error


def _read_report(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return report, {str(entry["name"]): Path(entry["file"]).name for entry in report["maps"]}
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror}); segment the image again") from error
    except (ValueError, LookupError, TypeError) as error:
        raise ImageError(f"{path}: is no report of TrustSeg; segment the image again") from error
