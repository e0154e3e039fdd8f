"""Export of the review from the current scene: JSON, a table, and an HTML page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from TrustSegLib.contract import AUDIT_LOG_FILE, DEFAULT_MAP, HTML_FILE, REVIEW_FILE, REVIEW_SCHEMA
from TrustSegModule.results.nodes import ResultNodes, find_results, image_of, report_of
from TrustSegModule.review.audit_log import entries, log_csv
from TrustSegModule.review.decisions import Review
from TrustSegModule.review.edits import edited_volumes
from TrustSegModule.scene.geometry import image_voxels
from TrustSegModule.scene.inputs import image_array, request_geometry
from TrustSegModule.scene.nodes import SceneError
from TrustSegModule.scene.segmentation import segment_label


def reviewed_report(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, Any]:
    """Return the report of a result with its review.

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
            "schema": REVIEW_SCHEMA,
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
        _write(folder / REVIEW_FILE, json.dumps(report, ensure_ascii=False, indent=2) + "\n"),
        _write(folder / AUDIT_LOG_FILE, log_csv(segmentation_node)),
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


def write_page(scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode, path: Path):
    """Write `report.html` with the current mask and the audit log.

    Raises
    ------
    SceneError
        The image or its map of the error probability has left the scene, a package is missing, or the file
        cannot be written.
    """
    try:
        from TrustSegLib.errors import OutputError
        from TrustSegLib.imaging import Volume
        from TrustSegLib.report import CaseImages, write_html_report
    except ModuleNotFoundError as error:
        message = _("{name} is not written: the package {package} is missing; click Segment to install it")
        raise SceneError(message.format(name=path.name, package=error.name)) from error
    nodes = _nodes(scene, segmentation_node, path)
    image = image_of(segmentation_node)
    place, display = request_geometry(image), image.GetDisplayNode()
    window = None if display is None else (display.GetWindowLevelMin(), display.GetWindowLevelMax())
    try:
        write_html_report(
            page_content(segmentation_node),
            path,
            CaseImages(
                image=Volume(image_array(image), *place),
                labels=Volume(mask_on(segmentation_node, image)[np.newaxis], *place),
                error=Volume(image_array(nodes.maps[DEFAULT_MAP]), *place),
                colors=_colors(segmentation_node),
                window=window,
            ),
            audit=entries(segmentation_node),
        )
    except OutputError as error:
        raise SceneError(str(error)) from error


def page_content(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, Any]:
    """Return the report, with a warning for each structure whose mask was edited."""
    report, volumes = report_of(segmentation_node), edited_volumes(Review(segmentation_node))
    text = _("{name} was edited: {volume:.2f} ml now; its other numbers are those of the automatic mask.")
    edited = [
        text.format(name=row["name"], volume=volumes[row["label"]])
        for row in report["structures"]
        if row["label"] in volumes
    ]
    case = report["case"]
    return {**report, "case": {**case, "warnings": [*case["warnings"], *edited]}}


def mask_on(segmentation_node: slicer.vtkMRMLSegmentationNode, image) -> np.ndarray:
    """Return the labels of the model's structures on the grid of the image, (D, H, W) uint8."""
    segments = _segments(segmentation_node)
    grid, merged = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    names, labels, matrix = vtk.vtkStringArray(), vtk.vtkIntArray(), vtk.vtkMatrix4x4()
    image.GetIJKToRASMatrix(matrix)
    grid.SetDimensions(*image.GetImageData().GetDimensions())
    grid.SetImageToWorldMatrix(matrix)
    for name, label in segments.items():
        names.InsertNextValue(name)
        labels.InsertNextValue(label)
    mode = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    segmentation_node.GenerateMergedLabelmapForAllSegments(merged, mode, grid, names, labels)
    return image_voxels(merged).astype(np.uint8)


def _nodes(scene: slicer.vtkMRMLScene, segmentation_node, path: Path) -> ResultNodes:
    image = image_of(segmentation_node)
    nodes = None if image is None else find_results(scene, image)
    if nodes is None or DEFAULT_MAP not in nodes.maps:
        message = _("{name} is not written: the image or its error map was removed; segment the image again")
        raise SceneError(message.format(name=path.name))
    return nodes


def _segments(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, int]:
    """Return the labels of the structures by segment ID, without segments added by the user."""
    segmentation = segmentation_node.GetSegmentation()
    names = [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]
    known = Review(segmentation_node).automatic
    return {name: segment_label(name) for name in names if name in known}


def _colors(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[int, tuple[int, ...]]:
    segmentation = segmentation_node.GetSegmentation()
    return {
        label: tuple(round(255 * part) for part in segmentation.GetSegment(name).GetColor())
        for name, label in _segments(segmentation_node).items()
    }
