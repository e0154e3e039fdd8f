"""What `trustseg segment` tells a person about a finished image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from TrustSegLib.report.files import MASK_FILE, OVERLAY_FILE, REPORT_FILE, map_file
from TrustSegLib.report.json_report import INTENDED_USE

if TYPE_CHECKING:
    from TrustSegLib.inference import SegmentationResult
    from TrustSegLib.uncertainty import StructureRow

HEADINGS = ("structure", "volume (ml)", "mean uncertainty (%)")


def print_summary(result: SegmentationResult, image: Path, folder: Path) -> None:
    """Print the table of the structures, the case's warnings and where the files are."""
    model = result.model
    print(f"{image} ({model['name']} {model['version']})")
    for line in _table([HEADINGS, *(_cells(row) for row in result.structures)]):
        print(f"  {line}")
    for warning in result.case.warnings:
        print(f"  warning: {warning}")
    files = [MASK_FILE, *map(map_file, result.maps), OVERLAY_FILE, REPORT_FILE]
    print(f"  results in {folder}: {', '.join(files)}")
    trust = "not calibrated" if result.calibration is None else "calibrated"
    print(f"  {INTENDED_USE}; uncertainty is {trust}", flush=True)


def _cells(row: StructureRow) -> tuple[str, str, str]:
    uncertainty = "-" if row.mean_uncertainty is None else f"{100 * row.mean_uncertainty:.1f}"
    return row.name, f"{row.volume_ml:.2f}", uncertainty


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the first column left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *numbers])
