"""What `trustseg segment` tells a person about a finished image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from TrustSegLib.report.files import HTML_FILE, MASK_FILE, OVERLAY_FILE, REPORT_FILE, map_file
from TrustSegLib.report.json_report import INTENDED_USE

if TYPE_CHECKING:
    from TrustSegLib.inference import SegmentationResult
    from TrustSegLib.uncertainty import StructureRow

HEADINGS = ("structure", "volume (ml)", "mean uncertainty (%)")
CALIBRATED_HEADINGS = ("structure", "volume (ml)", "interval (ml)", "mean uncertainty (%)", "expected DSC")
NOTHING = "-"


def print_summary(
    result: SegmentationResult, image: Path, folder: Path, more_files: Sequence[str] = ()
) -> None:
    """Print the table of the structures, what to look out for and where the files are."""
    model = result.model
    print(f"{image} ({model['name']} {model['version']})")
    for line in _table(_rows(result)):
        print(f"  {line}")
    for row in result.structures:
        if row.flag is not None:
            print(f"  {row.name}: {row.flag}")
    for warning in result.case.warnings:
        print(f"  warning: {warning}")
    files = [MASK_FILE, *map(map_file, result.maps), OVERLAY_FILE, *more_files, HTML_FILE, REPORT_FILE]
    print(f"  results in {folder}: {', '.join(files)}")
    print(f"  {INTENDED_USE}; uncertainty is {_trust(result)}", flush=True)


def _rows(result: SegmentationResult) -> list[tuple[str, ...]]:
    if result.calibration is None:
        return [HEADINGS, *((row.name, _volume(row), _uncertainty(row)) for row in result.structures)]
    rows = (
        (row.name, _volume(row), _interval(row), _uncertainty(row), _expected(row))
        for row in result.structures
    )
    return [CALIBRATED_HEADINGS, *rows]


def _volume(row: StructureRow) -> str:
    return f"{row.volume_ml:.2f}"


def _uncertainty(row: StructureRow) -> str:
    return NOTHING if row.mean_uncertainty is None else f"{100 * row.mean_uncertainty:.1f}"


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


def _trust(result: SegmentationResult) -> str:
    """What was calibrated, and on how many patients; the record stands wherever an interval does."""
    calibration = result.calibration
    if calibration is None:
        return "not calibrated"
    record = calibration["record"]
    names = {row.label: row.name for row in result.structures}
    held = [
        f"the {100 * one['level']:.0f} % interval held {100 * one['coverage']:.0f} % of {one['cases']} "
        f"volumes of {names[one['label']]}"
        for one in calibration["volumes"]
    ]
    return "; ".join([f"calibrated on {record['patients']} patients, {record['cases']} images", *held])


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the first column left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *numbers])
