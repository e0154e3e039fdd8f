"""Tables of a batch, with the worst case first: CSV for people, JSON for programs, and the worklist."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from TrustSegLib.contract import (
    BATCH_FILES,
    CASES_CSV_FILE,
    CASES_JSON_FILE,
    CASES_SCHEMA,
    STRUCTURES_CSV_FILE,
    CaseRow,
    schema_prefix,
)
from TrustSegLib.errors import OutputError
from TrustSegLib.report.files import write_atomically
from TrustSegLib.report.worklist import write_worklist

_STRUCTURE_COLUMNS = [
    "image",
    "label",
    "structure",
    "volume_ml",
    "volume_low_ml",
    "volume_high_ml",
    "mean_uncertainty",
    "expected_dsc",
    "expected_dsc_low",
    "expected_dsc_high",
    "flag",
    "model",
    "model_version",
    "model_sha256",
]
OVERWRITE_REMEDY = "choose another output folder or give --overwrite"


def case_row(report: Mapping[str, Any], folder: str | os.PathLike) -> CaseRow:
    """Summarize a case's `report.json`.

    Parameters
    ----------
    report : Mapping
        Content of the file.
    folder : path
        Where the results of the case are.
    """
    structures = report["structures"]
    return CaseRow(
        image=report["image"],
        folder=os.fspath(folder),
        quality=report["case"]["quality"],
        uncertainty=_uncertainty(structures),
        flags=tuple(f"{row['name']}: {row['flag']}" for row in structures if row["flag"]),
        warnings=tuple(report["case"]["warnings"]),
        regions=len(report["regions"]),
    )


def worst_first(cases: Sequence[CaseRow]) -> list[CaseRow]:
    """Sort cases: failed ones, then by quality, then by uncertainty, then by name; unknown values last."""
    return sorted(
        cases,
        key=lambda case: (
            case.error is None,
            float("inf") if case.quality is None else case.quality,
            0.0 if case.uncertainty is None else -case.uncertainty,
            case.image,
        ),
    )


def write_batch_tables(
    folder: str | os.PathLike, cases: Sequence[CaseRow], reports: Sequence[Mapping[str, Any]]
) -> None:
    """Write `cases.csv`, `cases.json`, `structures.csv` (one row per image and structure) and the worklist.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    ordered = worst_first(cases)
    rows = [asdict(case) for case in ordered]
    content = {"schema": CASES_SCHEMA, "cases": rows}
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    order = {row["image"]: number for number, row in enumerate(rows)}
    sorted_reports = sorted(reports, key=lambda report: order[report["image"]])
    structures = [_structure(report, row) for report in sorted_reports for row in report["structures"]]
    _write(Path(folder) / CASES_CSV_FILE, _csv(list(CaseRow.__dataclass_fields__), rows))
    _write(Path(folder) / STRUCTURES_CSV_FILE, _csv(_STRUCTURE_COLUMNS, structures))
    _write(Path(folder) / CASES_JSON_FILE, text)
    write_worklist(Path(folder), ordered, sorted_reports)


def _structure(report: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    volume = row["volume_interval_ml"] or (None, None)
    expected = row.get("expected_dsc_interval") or (None, None)
    model = report["model"]
    values = (
        *(report["image"], row["label"], row["name"], row["volume_ml"], *volume, row["mean_uncertainty"]),
        *(row["expected_dsc"], *expected, row["flag"], model["name"], model["version"], model["sha256"]),
    )
    return dict(zip(_STRUCTURE_COLUMNS, values, strict=True))


def _uncertainty(structures: Sequence[Mapping[str, Any]]) -> float | None:
    scores = [row["scores"]["boundary_uncertainty"] for row in structures if row.get("scores")]
    known = [value for value in scores or _means(structures) if value is not None]
    return max(known, default=None)


def _means(structures: Sequence[Mapping[str, Any]]) -> list[float | None]:
    return [row["mean_uncertainty"] for row in structures]


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Value of a cell; text that a spreadsheet would run as a formula is marked as text."""
    if isinstance(value, tuple):
        value = "; ".join(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def _write(path: Path, text: str) -> None:
    # A file name that is not valid UTF-8 holds lone surrogates. Spreadsheets need the byte order mark.
    mark = b"\xef\xbb\xbf" if path.suffix == ".csv" else b""
    write_atomically(path, mark + text.encode("utf-8", errors="backslashreplace"))


def check_tables(folder: Path, overwrite: bool, remedy: str = OVERWRITE_REMEDY) -> None:
    """Check, before the work, that the tables of a batch can be written into `folder`.

    Parameters
    ----------
    folder : Path
        Of the batch's results.
    overwrite : bool
        Whether any file may be replaced.
    remedy : str
        What the error tells the user to do.

    Raises
    ------
    OutputError
        A table's name is that of a folder, or of a file that no batch wrote while `overwrite` is not set.
    """
    for name in BATCH_FILES:
        path = folder / name
        if path.is_dir():
            raise OutputError(f"{path}: is a folder where a table goes; choose another output folder")
        if path.exists() and not overwrite and not _is_ours(folder):
            raise OutputError(f"{path}: was not written by trustseg; {remedy}")


def _is_ours(folder: Path) -> bool:
    try:
        content = json.loads((folder / CASES_JSON_FILE).read_text(encoding="utf-8"))
        return content["schema"].startswith(schema_prefix(CASES_SCHEMA))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False  # No table, or that of another program.
