"""`report.json`: result, uncertainty, model and provenance of a case, for programs to read.

The fields are described in `report.schema.json`. Fields are added, never renamed.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from TrustSegLib.contract import (
    HTML_FILE,
    INTENDED_USE,
    MASK_FILE,
    OVERLAY_FILE,
    REPORT_FILE,
    REPORT_SCHEMA,
    calibration_sentence,
    is_map_calibrated,
    map_file,
    map_title,
    map_unit,
)
from TrustSegLib.report.files import write_atomically

if TYPE_CHECKING:
    from TrustSegLib.inference.result import SegmentationResult

FILES = {"mask": MASK_FILE, "overlay": OVERLAY_FILE, "report": REPORT_FILE, "html": HTML_FILE}
"""The files of every report; those of the maps are in `maps`."""


def report_json(
    result: SegmentationResult,
    image_path: str | os.PathLike,
    command: str,
    more_files: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Describe a result as plain JSON values.

    Parameters
    ----------
    result : SegmentationResult
        Of one image.
    image_path : path
        Of the image, as the user named it.
    command : str
        Command line that made the result, or its equivalent.
    more_files : Mapping, optional
        Names of files that only some results have, by kind.

    Returns
    -------
    dict
        Valid under `report.schema.json`. Volumes in ml, positions in RAS mm; `mean_uncertainty` and the
        values of the maps in the unit given for each map (the default map, if it is calibrated, is a
        probability from 0 to 1). The `scores` of a structure are never calibrated. Numbers that are not
        finite become null.
    """
    return {
        "schema": REPORT_SCHEMA,
        "image": os.fspath(image_path),
        "intended_use": INTENDED_USE,
        "model": _plain(result.model),
        "structures": _structures(result),
        "regions": _plain(result.regions),
        "case": _plain(result.case),
        "calibration": _plain(result.calibration),
        "files": {**FILES, **(more_files or {})},
        "calibration_statement": calibration_sentence(result.calibration),
        "maps": [_map_entry(name, is_map_calibrated(result.calibration)) for name in result.maps],
        "provenance": {**_plain(result.provenance), "command": command},
        **_sides(result),
    }


def write_report(
    result: SegmentationResult,
    path: str | os.PathLike,
    *,
    image_path: str | os.PathLike,
    command: str,
    more_files: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write `report_json` as UTF-8 text, whole or not at all, and return it.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    report = report_json(result, image_path, command, more_files)
    text = json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    # A file name that is not valid UTF-8 holds lone surrogates; their backslash form is a valid JSON escape.
    write_atomically(path, text.encode("utf-8", errors="backslashreplace"))
    return report


def report_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of every report."""
    return json.loads(files("TrustSegLib.report").joinpath("report.schema.json").read_text(encoding="utf-8"))


def _structures(result: SegmentationResult) -> list[dict[str, Any]]:
    """Rows, each with the raw scores of its structure: null where a result has none."""
    scores = {one.label: _plain(one) for one in result.scores}
    for entry in scores.values():
        del entry["label"]
    return [{**_plain(row), "scores": scores.get(row.label)} for row in result.structures]


def _sides(result: SegmentationResult) -> dict[str, Any]:
    """Where both sides were searched for: their volumes, and names, colors and codes of the labels."""
    if result.sides is None:
        return {}
    return {"sides": _plain(result.sides), "anatomy": [each.to_dict() for each in result.anatomy]}


def _map_entry(name: str, calibrated: bool) -> dict[str, str]:
    title, unit = map_title(name, calibrated), map_unit(name, calibrated)
    return {"name": name, "title": title, "unit": unit, "file": map_file(name)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise TypeError(f"a report cannot hold a {type(value).__name__}: {value!r}")
