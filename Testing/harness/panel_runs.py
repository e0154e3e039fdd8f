"""The module's panel with a real worker: actions of the user, and the scene afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import slicer
from scene_samples import IMAGE
from source_tree import ROOT

from TrustSegLib.worker import Event, Ready, Worker

PANEL = ROOT / "TrustSeg" / "TrustSeg.py"
ERROR_MAP = "error_probability"


class SharedWorker(Worker):
    """A warm worker for the panels of many tests: closing it ends what was asked of it, not the process."""

    _ready: Ready | None = None
    _greets = False

    def warm(self, model: Path, device: str = "auto") -> None:
        """A new panel: it must hear of the devices, which the process says only once."""
        self._greets = self._ready is not None
        super().warm(model, device)

    def poll(self) -> list[Event]:
        events = super().poll()
        self._ready = next((event for event in events if isinstance(event, Ready)), self._ready)
        if self._greets:
            events.insert(0, self._ready)
            self._greets = False
        return events

    def close(self) -> None:
        """What a panel leaves behind is stopped, so that the next one finds the worker idle."""
        if self.busy:
            self.cancel()
        while self.busy:
            self.poll()
            time.sleep(0.005)
        self.poll()

    def end(self) -> None:
        """End the process."""
        super().close()


def load_image(path: Path = IMAGE, name: str | None = None):
    """Load an image as a person does."""
    return slicer.util.loadVolume(str(path), {"name": name} if name else {})


def large_image(*times: int, name: str = "large"):
    """Put an image into the scene that takes long to segment: the sample, so often side by side with itself.

    3, 3, 3 takes half a minute on one core, 4, 1, 1 about a second.
    """
    node = load_image(name=name)
    voxels = np.tile(slicer.util.arrayFromVolume(node), times)
    slicer.util.updateVolumeFromArray(node, voxels)
    return node


def wait_until(happened: Callable[[], bool]) -> None:
    """Let the event loop run until something has happened."""
    from qt_stand_ins.panel import wait_until

    wait_until(happened)


@contextlib.contextmanager
def ticking(session) -> Iterator[list[bool]]:
    """Let a timer tick at every turn of the event loop; the list gets whether the session was busy then.

    If the event loop is held until the session is done, the session is no longer busy at the next tick.
    """
    import qt

    ticks: list[bool] = []
    timer = qt.QTimer()
    timer.timeout.connect(lambda: ticks.append(session.busy))
    timer.start(0)
    try:
        yield ticks
    finally:
        timer.stop()


def wait_for_end(panel) -> None:
    """Let the event loop run until nothing is being segmented, and the button says so."""
    wait_until(lambda: not panel.widget.session.busy and panel.ui.segmentButton.text == "Segment")


def segment(panel) -> None:
    """Click Segment, and wait until it is done."""
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    assert panel.ui.statusLabel.text.startswith("Done"), panel.ui.statusLabel.text


def start(panel) -> None:
    """Click Segment, and wait until the worker is at it."""
    panel.ui.segmentButton.click()
    wait_until(lambda: panel.ui.progressBar.value > 0)


def results(image):
    """What the module has put beside an image; None without."""
    from TrustSegModule.results.nodes import find_results

    return find_results(slicer.mrmlScene, image)


def mask(segmentation) -> np.ndarray:
    """The labels of a segmentation, (D, H, W), on the grid of the image that was segmented."""
    from vtk.util.numpy_support import vtk_to_numpy

    from TrustSegModule.results.nodes import INPUT_ROLE

    labelmap = segmentation.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    voxels = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    shape = segmentation.GetNodeReference(INPUT_ROLE).GetImageData().GetDimensions()[::-1]
    whole = np.zeros(shape, voxels.dtype)
    extent = labelmap.GetExtent()
    box = tuple(slice(extent[2 * axis], extent[2 * axis + 1] + 1) for axis in (2, 1, 0))
    whole[box] = voxels.reshape(labelmap.GetDimensions()[::-1])
    return whole


def node_names() -> list[str]:
    """The nodes that a person sees in the scene, and those that only show them."""
    nodes = slicer.mrmlScene.GetNodes()
    found = [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
    return sorted(f"{node.GetClassName()} {node.GetName()}" for node in found)
