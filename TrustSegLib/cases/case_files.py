"""The files of one case: mask, maps, picture and reports."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TrustSegLib.bundle import ModelDescription
from TrustSegLib.cases.unchanged import image_sha256
from TrustSegLib.contract import DEFAULT_MAP, HTML_FILE, MASK_FILE, OVERLAY_FILE, REPORT_FILE, map_file
from TrustSegLib.imaging import Volume, write_volume
from TrustSegLib.inference import SegmentationResult
from TrustSegLib.report import CaseImages, write_html_report, write_overlay, write_report
from TrustSegLib.report.html_report import image_title


def write_case(
    folder: Path,
    volume: Volume,
    result: SegmentationResult,
    description: ModelDescription,
    *,
    image_path: str | os.PathLike,
    command: str,
    more_files: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write all files of a case and return the report.

    Parameters
    ----------
    folder : Path
        Existing private folder; `publish` moves the files into the output folder.
    volume : Volume
        The image.
    result : SegmentationResult
        With the default map among its maps.
    description : ModelDescription
        Of the model.
    image_path, command, more_files
        As in `report.write_report`; pictures and pages show the whole path of a folder.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    provenance = {**result.provenance, "image_sha256": image_sha256(Path(image_path))}
    result = dataclasses.replace(result, provenance=provenance)
    write_volume(result.labels, folder / MASK_FILE)
    for name, values in result.maps.items():
        write_volume(values, folder / map_file(name))
    window, structures = _window(description), result.anatomy or description.structures
    # "." or "T1" alone would not identify the patient of a series.
    path = Path(image_path) if os.path.isfile(image_path) else Path(os.path.abspath(image_path))
    write_overlay(
        volume,
        result,
        folder / OVERLAY_FILE,
        structures=structures,
        image_name=image_title(str(path)),
        window=window,
    )
    report = write_report(
        result, folder / REPORT_FILE, image_path=image_path, command=command, more_files=more_files
    )
    colors = {structure.label: structure.color for structure in structures}
    images = CaseImages(volume, result.labels, result.maps[DEFAULT_MAP], colors, window)
    write_html_report({**report, "image": str(path)}, folder / HTML_FILE, images)
    return report


def _window(description: ModelDescription) -> tuple[float, float] | None:
    """Range of gray values of the pictures, where the model defines one."""
    normalization = description.input.normalization
    return (normalization.lower, normalization.upper) if normalization.method == "window" else None
