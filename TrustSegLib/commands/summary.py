"""Summaries of `trustseg segment`: of a finished image, and of a batch with its tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TrustSegLib.commands.console import print_json
from TrustSegLib.contract import (
    BATCH_FILES,
    CASES_SCHEMA,
    HTML_FILE,
    INTENDED_USE,
    MASK_FILE,
    OVERLAY_FILE,
    REPORT_FILE,
    CaseRow,
    calibration_sentence,
    calibration_title,
    choice_sentence,
    is_map_calibrated,
    map_file,
    sides_sentence,
)
from TrustSegLib.report.batch_tables import case_row, worst_first, write_batch_tables

if TYPE_CHECKING:
    from TrustSegLib.inference import SegmentationResult
    from TrustSegLib.uncertainty import StructureRow


NOTHING = "-"


def print_summary(
    result: SegmentationResult, image: Path, folder: Path, more_files: Sequence[str] = ()
) -> None:
    """Print the table of the structures, flags and warnings, and where the files are."""
    model = result.model
    print(f"{image} ({model['name']} {model['version']})")
    if "choice" in result.provenance:
        print(f"  {choice_sentence(result.provenance['choice'])}")
    for line in _table(_rows(result)):
        print(f"  {line}")
    if result.sides is not None:
        print(f"  {sides_sentence(asdict(result.sides))}")
        print(f"  {_location(result)}")
    for row in result.structures:
        if row.flag is not None:
            print(f"  {row.name}: {row.flag}")
    for warning in result.case.warnings:
        print(f"  warning: {warning}")
    files = [MASK_FILE, *map(map_file, result.maps), OVERLAY_FILE, *more_files, HTML_FILE, REPORT_FILE]
    print(f"  results in {folder}: {', '.join(files)}")
    print(f"  {INTENDED_USE}; {_calibration(result)}")
    not_calibrated = calibration_sentence(result.calibration)
    if not_calibrated:
        print(f"  {not_calibrated}")
    sys.stdout.flush()


def _location(result: SegmentationResult) -> str:
    centers = result.provenance["location"]["centers_ras_mm"]
    places = (
        f"{name.lower()} at {', '.join(f'{value:.0f}' for value in at)}" for name, at in centers.items()
    )
    return f"found in the scan: {'; '.join(places)} mm (RAS)"


def _rows(result: SegmentationResult) -> list[tuple[str, ...]]:
    """Heading and a row per structure; no columns for figures that no structure could have."""
    calibration = result.calibration or {}
    percent = is_map_calibrated(calibration)
    headings = ["structure", "volume (ml)", f"mean uncertainty ({'%' if percent else 'raw'})"]
    rows = [[row.name, _volume(row), _uncertainty(row, percent)] for row in result.structures]
    if calibration.get("volumes"):
        headings.insert(2, "interval (ml)")
        for cells, row in zip(rows, result.structures, strict=True):
            cells.insert(2, _interval(row))
    if calibration.get("quality"):
        headings.append("expected DSC")
        for cells, row in zip(rows, result.structures, strict=True):
            cells.append(_expected(row))
    return [tuple(headings), *map(tuple, rows)]


def _volume(row: StructureRow) -> str:
    return f"{row.volume_ml:.2f}"


def _uncertainty(row: StructureRow, percent: bool) -> str:
    if row.mean_uncertainty is None:
        return NOTHING
    return f"{100 * row.mean_uncertainty:.1f}" if percent else f"{row.mean_uncertainty:.3f}"


def _interval(row: StructureRow) -> str:
    if row.volume_interval_ml is None:
        return NOTHING
    low, high = row.volume_interval_ml
    return f"{low:.2f}-{high:.2f}"


def _expected(row: StructureRow) -> str:
    if row.expected_dsc is None or row.expected_dsc_interval is None:
        return NOTHING
    low, high = row.expected_dsc_interval
    return f"{row.expected_dsc:.2f} ({low:.2f}-{high:.2f})"


def _calibration(result: SegmentationResult) -> str:
    """What was calibrated, and on how many patients: printed wherever there are intervals."""
    title, calibration = calibration_title(result.calibration), result.calibration
    if calibration is None:
        return title
    record = calibration["record"]
    names = {row.label: row.name for row in result.structures}
    held = [
        f"the {100 * one['level']:.0f} % interval held {100 * one['coverage']:.0f} % of {one['cases']} "
        f"volumes of {one.get('of', names[one['label']])}"
        for one in calibration["volumes"]
    ]
    return "; ".join(
        [f"{title}, on {record['patients']} patients, {record['cases']} images", *dict.fromkeys(held)]
    )


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the first column left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *numbers])


class Batch:
    """Collects the results of a batch.

    Parameters
    ----------
    folder : Path
        For the tables.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cases: list[CaseRow] = []
        self._reports: list[Mapping[str, Any]] = []
        self.unchanged = 0

    @property
    def failures(self) -> int:
        """Number of images without a result."""
        return sum(case.error is not None for case in self._cases)

    def add_unchanged(self, report: Mapping[str, Any], folder: Path) -> None:
        """Add a case of an earlier run, with the same image, model and options."""
        self.unchanged += 1
        self.add(report, folder)

    def add(self, report: Mapping[str, Any], folder: Path) -> None:
        """Add a case that was segmented."""
        self._reports.append(report)
        self._cases.append(case_row(report, folder))

    def add_failure(self, image: Path, error: str) -> None:
        """Add a case that failed."""
        self._cases.append(CaseRow(image=str(image), error=" ".join(error.splitlines())))

    def write(self) -> None:
        """Write the tables, if there is a case; `OutputError` if they cannot be written."""
        if self._cases:
            write_batch_tables(self._folder, self._cases, self._reports)

    def print_cases(self, as_json: bool) -> None:
        """Print the cases, the worst first."""
        cases = worst_first(self._cases)
        if as_json:
            rows = [asdict(case) for case in cases]
            print_json({"schema": CASES_SCHEMA, "folder": str(self._folder), "cases": rows})
            return
        kept = f", {self.unchanged} of an earlier run" if self.unchanged else ""
        print(f"{len(cases)} images, {self.failures} failed{kept}; worst first:")
        for number, case in enumerate(cases, start=1):
            print(f"  {number}. {case.image}: {_state(case)}")
        print(f"  worklist and tables in {self._folder}: {', '.join(BATCH_FILES)}", flush=True)


def _state(case: CaseRow) -> str:
    if case.error is not None:
        return f"FAILED: {case.error}"
    if case.quality is not None:
        known = f"expected DSC {case.quality:.2f}"
    elif case.uncertainty is not None:
        known = f"no expected DSC, raw uncertainty {case.uncertainty:.3f}"
    else:
        known = "no structure found"
    return "; ".join([known, *case.flags, *case.warnings])
