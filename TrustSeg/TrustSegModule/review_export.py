"""The review as files: for programs, for a table, and as a page for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from TrustSegModule.audit_log import entries, log_csv
from TrustSegModule.edits import edited_volumes
from TrustSegModule.errors import SceneError
from TrustSegModule.report_page import write_page
from TrustSegModule.result_nodes import report_of
from TrustSegModule.review import Review

SCHEMA = "trustseg-review/1"
JSON_FILE, CSV_FILE, HTML_FILE = "review.json", "audit_log.csv", "report.html"


def reviewed_report(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, Any]:
    """Return the report of a result with what a person has made of it.

    Returns
    -------
    dict
        The report, and `review`: `schema`, `revealed`, `items` (decision and comment by "region 3",
        "structure 1"), `edited_volumes_ml` by label, and `log`.
    """
    review = Review(segmentation_node)
    return {
        **report_of(segmentation_node),
        "review": {
            "schema": SCHEMA,
            **review.export(),
            "edited_volumes_ml": {str(label): ml for label, ml in edited_volumes(review).items()},
            "log": entries(segmentation_node),
        },
    }


def write_review(
    scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode, folder: Path
) -> list[Path]:
    """Write the review into a folder, over files of an earlier export.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    SceneError
        A file cannot be written; those before it are.
    """
    report = reviewed_report(segmentation_node)
    written = [
        _write(folder / JSON_FILE, json.dumps(report, ensure_ascii=False, indent=2) + "\n"),
        _write(folder / CSV_FILE, log_csv(segmentation_node)),
    ]
    write_page(scene, segmentation_node, folder / HTML_FILE)
    return [*written, folder / HTML_FILE]


def _write(path: Path, text: str) -> Path:
    try:
        # The separators are the file's own: csv brings \r\n. A byte order mark would spoil the JSON.
        path.write_bytes(text.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        message = _("{path}: cannot be written ({reason}); choose another folder")
        raise SceneError(message.format(path=path, reason=error.strerror)) from error
    return path
