"""One segmentation at a time, from the volume to the nodes; no Qt, and nothing here waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from TrustSegModule import result_nodes
from TrustSegModule.errors import SceneError
from TrustSegModule.input_volume import image_array, request_geometry
from TrustSegModule.models import Model
from TrustSegModule.region import roi_text
from TrustSegModule.result_nodes import ResultNodes

if TYPE_CHECKING:
    from TrustSegLib.worker import Event, Finished, SegmentRequest, Worker

DEFAULT_MAP = "error_probability"


@dataclass(frozen=True)
class Task:
    """What is to be segmented, and how.

    Attributes
    ----------
    input_node : vtkMRMLScalarVolumeNode
        The image.
    model : Model
        Which model.
    device : str
        "auto", "cpu" or "cuda:N".
    region : vtkMRMLMarkupsROINode or None
        Part of the image.
    maps : tuple of str
        Which uncertainty maps to make.
    """

    input_node: slicer.vtkMRMLScalarVolumeNode
    model: Model
    device: str = "auto"
    region: slicer.vtkMRMLMarkupsROINode | None = None
    maps: tuple[str, ...] = (DEFAULT_MAP,)


class Runner:
    """Carries tasks out in a worker process.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the results go.
    worker : TrustSegLib.worker.Worker
        Stays warm between tasks.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, worker: Worker) -> None:
        self._scene, self.worker = scene, worker
        self._task: Task | None = None
        self.results: ResultNodes | None = None
        """Of the last task that was finished."""

    @property
    def busy(self) -> bool:
        """Whether a task is not yet over."""
        return self.worker.busy

    def start(self, task: Task) -> None:
        """Hand a task to the worker; `poll` carries on.

        Raises
        ------
        SceneError
            The volume or the region cannot be used.
        WorkerError
            The worker cannot be started, or is busy.
        """
        self.results = None
        self.worker.segment(_request(task))
        self._task = task

    def poll(self) -> list[Event]:
        """What has happened since the last call; a result is in the scene when its `Finished` is returned.

        Never waits. A result whose image has left the scene, or has got another size, is dropped: `Stopped`
        takes its place.
        """
        from TrustSegLib.worker import Finished, Stopped

        events = self.worker.poll()
        for place, event in enumerate(events):
            if isinstance(event, Finished) and not self._take(event):
                events[place] = Stopped(event.id)
        return events

    def cancel(self) -> None:
        """Ask the running task to stop; `Stopped` follows within about a second of polling."""
        self.worker.cancel()

    def run(self, task: Task) -> ResultNodes:
        """Carry a task out and wait for it: for scripts and batch.

        Raises
        ------
        SceneError
            The volume or the region cannot be used.
        WorkerError
            It failed.
        """
        answer = self.worker.run(_request(task))
        self.results = result_nodes.put_result(self._scene, task.input_node, answer, task.model.description)
        return self.results

    def close(self) -> None:
        """End the worker process."""
        self.worker.close()

    def _take(self, event: Finished) -> bool:
        task, self._task = self._task, None
        if not self._still_there(task.input_node, event.answer.labels.shape):
            return False
        model = task.model.description
        self.results = result_nodes.put_result(self._scene, task.input_node, event.answer, model)
        return True

    def _still_there(self, node: slicer.vtkMRMLScalarVolumeNode, shape: tuple[int, ...]) -> bool:
        """Whether the image has neither been removed nor replaced by one of another size."""
        if self._scene.IsNodePresent(node) == 0 or node.GetImageData() is None:
            return False
        return node.GetImageData().GetDimensions() == shape[::-1]


def _request(task: Task) -> SegmentRequest:
    from TrustSegLib.worker import SegmentRequest

    geometry = request_geometry(task.input_node)
    array = image_array(task.input_node)
    _check_channels(task, len(array))
    return SegmentRequest(
        array=array,
        spacing=geometry.spacing,
        origin=geometry.origin,
        direction=geometry.direction,
        model=task.model.path,
        device=task.device,
        maps=task.maps,
        roi=roi_text(task.region, task.input_node) if task.region else None,
        image_name=task.input_node.GetName(),
    )


def _check_channels(task: Task, found: int) -> None:
    """Said before the worker is started, in the words of the panel."""
    expected = len(task.model.description["channels"])
    if found != expected:
        message = _("'{name}' has {found} components, the model takes {expected}: choose another image.")
        raise SceneError(message.format(name=task.input_node.GetName(), found=found, expected=expected))
