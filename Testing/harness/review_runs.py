"""The review in the panel: what a user clicks, reads, and finds in the scene.

`opened` is what the fixture of that name gives: the panel on a calibrated result.
"""

from __future__ import annotations

import slicer
from panel_runs import ERROR_MAP

STRUCTURE, VOLUME, UNCERTAINTY, INTERVAL, QUALITY = range(5)
"""Columns of the table of structures."""
DECISION = 4
"""Column of the table of regions."""


def review_of(opened):
    """The review of the result that is shown."""
    from TrustSegModule.review.decisions import Review

    return Review(opened.nodes.segmentation)


def log(opened) -> list[tuple[str, str]]:
    """Action and item of each line of its audit log."""
    from TrustSegModule.review import audit_log

    return [(line["action"], line["item"]) for line in audit_log.entries(opened.nodes.segmentation)]


def cells(table) -> list[list[str]]:
    """The texts of a table, row by row."""
    columns = range(table.columnCount)
    return [[table.item(row, column).text() for column in columns] for row in range(table.rowCount)]


def click_row(table, row: int) -> None:
    """Click on the first cell of a row."""
    _mouse("mouseClick", table, row)


def double_click_row(table, row: int) -> None:
    """Click twice on the first cell of a row, as the mouse does."""
    _mouse("mouseClick", table, row)
    _mouse("mouseDClick", table, row)


def regions_of(opened) -> list[dict]:
    """The regions of the report."""
    from TrustSegModule.results.nodes import report_of

    return report_of(opened.nodes.segmentation)["regions"]


def crosshair() -> tuple[float, ...]:
    """Where the crosshair is, in RAS mm."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode").GetCrosshairRAS()


def overlay_shown(nodes) -> bool:
    """Whether the error map lies over the image."""
    from TrustSegModule.scene import overlay

    return overlay.is_shown(slicer.mrmlScene, nodes.maps[ERROR_MAP])


def _mouse(action: str, table, row: int) -> None:
    from PySide6 import QtCore, QtTest

    place, left = table.visualItemRect(table.item(row, 0)).center(), QtCore.Qt.MouseButton.LeftButton
    act = getattr(QtTest.QTest, action)
    act(table.viewport(), left, QtCore.Qt.KeyboardModifier.NoModifier, place)
