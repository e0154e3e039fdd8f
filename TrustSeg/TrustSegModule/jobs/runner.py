"""One segmentation at a time, from the volume to the nodes; no Qt, and nothing blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from TrustSegLib.contract import AUTO, DEFAULT_MAP
from TrustSegModule.app.models import Model, model_of
from TrustSegModule.results import nodes
from TrustSegModule.results.cases import BatchCase
from TrustSegModule.results.nodes import ResultNodes
from TrustSegModule.results.placement import CasePlacement, Placement
from TrustSegModule.scene.inputs import dicom_header, image_array, request_geometry, roi_text
from TrustSegModule.scene.nodes import SceneError

if TYPE_CHECKING:
    from TrustSegLib.worker import Event, Finished, SegmentRequest, Worker


@dataclass(frozen=True)
class Task:
    """What is to be segmented, and how.

    Attributes
    ----------
    input_node : vtkMRMLScalarVolumeNode
        The image.
    model : Model or None
        Which model; None: the one that fits the image.
    device : str
        "auto", "cpu" or "cuda:N".
    region : vtkMRMLMarkupsROINode or None
        Part of the image.
    maps : tuple of str
        Which uncertainty maps to make.
    """

    input_node: slicer.vtkMRMLScalarVolumeNode
    model: Model | None
    device: str = "auto"
    region: slicer.vtkMRMLMarkupsROINode | None = None
    maps: tuple[str, ...] = (DEFAULT_MAP,)


class Runner:
    """Runs tasks in a worker process.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the results go.
    worker : TrustSegLib.worker.Worker
        Stays warm between tasks.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, worker: Worker) -> None:
        self._scene, self.worker = scene, worker
        self._make_placement: Callable[[Finished], Placement] | None = None
        self._placement: Placement | None = None
        self.results: ResultNodes | None = None
        """Of the last task that was finished."""

    @property
    def busy(self) -> bool:
        """Whether a task is not yet over."""
        return self.worker.busy or self.placing

    @property
    def placing(self) -> bool:
        """Whether a result is there and on its way into the scene: `poll` it often."""
        return self._placement is not None

    def start(self, task: Task) -> None:
        """Send a task to the worker; `poll` continues.

        Raises
        ------
        SceneError
            The volume or the region cannot be used.
        WorkerError
            The worker cannot be started, or is busy.
        """
        self.results = None
        self.worker.segment(_request(task))
        self._make_placement = lambda event: Placement(
            self._scene, task.input_node, _model_of(task, event.result.report), event
        )

    def open(self, case: BatchCase, model: Model) -> None:
        """Bring a case of a batch into the scene, as if it had just been segmented; `poll` continues.

        Raises
        ------
        WorkerError
            The worker cannot be started, or is busy.
        """
        from TrustSegLib.worker import ReadCase

        self.results = None
        self.worker.submit(ReadCase(Path(case.image), Path(case.folder)))
        self._make_placement = lambda event: CasePlacement(self._scene, case, model, event)

    def poll(self) -> list[Event]:
        """What has happened since the last call; a result is in the scene when its `Finished` is returned.

        Never waits, and puts a large result into the scene in many calls. A result whose image has left the
        scene, or has got another size, is dropped: `Stopped` takes its place.

        Raises
        ------
        SceneError
            The result does not fit its image any more.
        """
        from TrustSegLib.worker import Finished

        events: list[Event] = []
        for event in self.worker.poll():
            if isinstance(event, Finished):
                self._placement = self._make_placement(event)
            else:
                events.append(event)
        return events + self._go_on()

    def cancel(self) -> None:
        """Ask the running task to stop; `Stopped` follows within about a second of polling."""
        self.worker.cancel()
        if self._placement is not None:
            self._placement.cancel()

    def run(self, task: Task) -> ResultNodes:
        """Run a task and wait for it: for scripts.

        Raises
        ------
        SceneError
            The volume or the region cannot be used.
        WorkerError
            It failed.
        """
        result = self.worker.run(_request(task))
        description = _model_of(task, result.report).description
        self.results = nodes.put_result(self._scene, task.input_node, result, description)
        return self.results

    def close(self) -> None:
        """End the worker process; a result that is not yet in the scene is dropped."""
        self._placement = None
        self.worker.close()

    def _go_on(self) -> list[Event]:
        placement, self._placement = self._placement, None
        ended = placement.step() if placement is not None else None
        if ended is not None:
            self._make_placement, self.results = None, placement.results
            return [ended]
        # Restored only now: a placement that raised is over.
        self._placement = placement
        return []


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
        model=AUTO if task.model is None else task.model.path,
        device=task.device,
        maps=task.maps,
        roi=roi_text(task.region, task.input_node) if task.region else None,
        image_name=task.input_node.GetName(),
        **dicom_header(task.input_node),
    )


def _model_of(task: Task, report: dict[str, Any]) -> Model:
    """The model of a result: that of the task, or the one that was chosen."""
    return task.model or model_of(report)


def _check_channels(task: Task, found: int) -> None:
    """Checked before the worker is started, with a message in the words of the panel."""
    if task.model is None:
        return
    expected = len(task.model.description["channels"])
    if found != expected:
        message = _("'{name}' has {found} components, the model takes {expected}: choose another image.")
        raise SceneError(message.format(name=task.input_node.GetName(), found=found, expected=expected))
