"""Notices that a person changes a mask, in whatever module."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer

QUIET_MS = 300
"""A stroke of the brush changes the mask many times: it is looked at once it has been at rest so long."""
EVENTS = ("SourceRepresentationModified", "RepresentationModified", "SegmentModified")


class EditWatch:
    """Watches one segmentation at a time.

    Parameters
    ----------
    on_change : callable
        Called after a change; the masks may be the same for all that.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._node: slicer.vtkMRMLSegmentationNode | None = None
        self._observers: list[int] = []
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(on_change)

    def follow(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Watch this segmentation and no other; None for none."""
        if node is self._node:
            return
        self._timer.stop()
        for observer in self._observers:
            self._node.RemoveObserver(observer)
        self._node, self._observers = node, []
        if node is not None:
            events = [getattr(slicer.vtkSegmentation, name) for name in EVENTS]
            self._observers = [node.AddObserver(event, self._on_event) for event in events]

    def _on_event(self, caller, event) -> None:
        self._timer.start(QUIET_MS)
