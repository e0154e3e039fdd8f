"""A result of a calibrated model in a scene, as the start of a review."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import slicer
from scene_samples import MODEL, MadeUpAnswer, sample_result

FLAG = "expected DSC .62 (.41-.78): likely to fail"
CALIBRATION = {
    "record": {"data": "validation", "patients": 40, "cases": 240, "conditions": [], "folds": 5},
    "error_probability": {"ece_after": 0.012},
    "volumes": [
        {"label": 1, "level": 0.9, "coverage": 0.91, "cases": 240},
        {"label": 2, "level": 0.9, "coverage": 0.885, "cases": 240},
    ],
    "quality": [
        {"label": 1, "coverage": 0.9, "mean_absolute_error": 0.03, "cases": 240},
        {"label": 2, "coverage": 0.9, "mean_absolute_error": 0.05, "cases": 240},
    ],
}


def calibrated_result(image, regions: int = 3) -> MadeUpAnswer:
    """Return a result for the sample image: intervals, expected DSC, a flag, and regions.

    Parameters
    ----------
    image : vtkMRMLScalarVolumeNode
        The sample, for the positions of the regions.
    regions : int
        How many, at voxels of the mask that are far from each other.
    """
    answer = sample_result()
    first, second = answer.report["structures"]
    rows = [
        {
            **first,
            "volume_interval_ml": [1.38, 1.7],
            "expected_dsc": 0.87,
            "expected_dsc_interval": [0.8, 0.91],
        },
        {
            **second,
            "volume_interval_ml": [0.9, 2.1],
            "expected_dsc": 0.62,
            "expected_dsc_interval": [0.41, 0.78],
        },
    ]
    rows[1]["flag"] = FLAG
    report = {
        **answer.report,
        "intended_use": "research use only",
        "model": {"name": MODEL["name"], "version": MODEL["version"], "sha256": "0" * 64},
        "provenance": {"device": "cpu", "command": "made up"},
        "structures": rows,
        "regions": _regions(image, answer.labels, regions),
        "calibration": CALIBRATION,
        "case": {"quality": 0.62, "warnings": []},
    }
    return replace(answer, report=report)


def put_calibrated(image, regions: int = 3):
    """Put `calibrated_result` beside the image and return its nodes."""
    from TrustSegModule.results.nodes import put_result

    return put_result(slicer.mrmlScene, image, calibrated_result(image, regions), MODEL)


def erase(segmentation, segment: str, planes: int = 3) -> None:
    """Erase the lowest slices of a segment, as an effect of the Segment Editor does."""
    labelmap = slicer.vtkOrientedImageData()
    segmentation.GetBinaryLabelmapRepresentation(segment, labelmap)
    voxels = _voxels(labelmap)
    used = np.flatnonzero(voxels.any(axis=(1, 2)))
    voxels[used[:planes]] = 0
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(labelmap, segmentation, segment)
    # The logic leaves it to its caller to tell of the change.
    segmentation.GetSegmentation().InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)


def type_text(field, text: str) -> None:
    """Type into a text field; ASCII, as Qt's own tests can do no more."""
    from PySide6 import QtTest

    QtTest.QTest.keyClicks(field, text)


def _voxels(labelmap) -> np.ndarray:
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])


def _regions(image, labels: np.ndarray, count: int) -> list[dict[str, Any]]:
    from TrustSegModule.scene.geometry import ijk_to_ras

    places = np.argwhere(labels > 0)
    chosen = places[np.linspace(0, len(places) - 1, count).astype(int)]
    names = {structure["label"]: structure["name"] for structure in MODEL["structures"]}
    return [
        {
            "rank": rank,
            "index": [int(i), int(j), int(k)],
            "position_ras_mm": (ijk_to_ras(image) @ (i, j, k, 1))[:3].tolist(),
            "volume_ml": 0.4 / rank,
            "expected_wrong_ml": 0.12 / rank,
            "peak": 0.5 - 0.02 * rank,
            "mean": 0.3,
            "structures": [names[int(labels[k, j, i])]],
        }
        for rank, (k, j, i) in enumerate(chosen, start=1)
    ]
