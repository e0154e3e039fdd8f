"""The parts of a batch: which images, one of them into its folder, and the tables. As on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from TrustSegLib.cases.batch_folder import IMAGE_EXTENSIONS
from TrustSegLib.cases.outputs import check_targets, publish
from TrustSegLib.cases.series_folders import files_in, holds_dicom_images
from TrustSegLib.cases.table_files import check_tables
from TrustSegLib.cases.targets import plan_targets
from TrustSegLib.errors import ImageError, OutputError, TrustSegError
from TrustSegLib.imaging import read_volume
from TrustSegLib.report.batch_tables import CaseRow, worst_first, write_batch_tables
from TrustSegLib.report.files import REPORT_FILE
from TrustSegLib.worker.protocol import Cancelled

if TYPE_CHECKING:
    from TrustSegLib.inference import SegmentOptions
    from TrustSegLib.worker.models import LoadedModel
    from TrustSegLib.worker.segment_job import SegmentJob

REMEDY = "choose another output folder"


class FilePlace(NamedTuple):
    """An image, the folder for its results, and the one in which they are made."""

    image: Path
    folder: Path
    staging: Path


class BatchCase(NamedTuple):
    """An image of a batch: the folder of its results, or why there are none."""

    image: str
    folder: str | None
    error: str | None


def plan_batch(images: Path, output: Path) -> list[dict[str, Any]]:
    """List the images of a folder, each with the folder for its results and the size of its files.

    Raises
    ------
    TrustSegError
        The folder holds no images; or the results cannot be put into `output`, or would lie among slices.
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
    model: LoadedModel,
    options: SegmentOptions,
    cancelled: Callable[[], bool],
) -> None:
    """Segment an image; its results are in its folder whole, or not at all.

    Raises
    ------
    Cancelled
        When `cancelled` said so.
    TrustSegError
        One line that names the image.
    """
    try:
        volume = read_volume(place.image)
        result = job.segment(volume, model, options, cancelled)
        _write(job, place, volume, result, model, options, cancelled)
    except TrustSegError as error:
        if str(place.image) in str(error):
            raise
        named = type(error)(f"{place.image}: {error}")
        raise named from error


def write_tables(folder: Path, cases: Sequence[BatchCase]) -> list[dict[str, Any]]:
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
            rows.append(CaseRow.of_report(report, case.folder))
            reports.append(report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}); {REMEDY}") from error
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
        return 0  # It stops no other image: reading it fails, and says why.


def _write(job: SegmentJob, place: FilePlace, volume, result, model, options, cancelled) -> None:
    # Here: it brings Matplotlib, which only this job needs.
    from TrustSegLib.cases.case_files import write_case

    if cancelled():
        raise Cancelled
    try:
        place.staging.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{place.staging}: cannot be made ({error.strerror}); {REMEDY}") from error
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
