"""Tasks from the settings of the panel, or from a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import slicer

from TrustSegLib.contract import DEFAULT_MAP, MAP_NAMES
from TrustSegModule.app.models import Model
from TrustSegModule.jobs.batch import BatchTask
from TrustSegModule.jobs.runner import Runner, Task

if TYPE_CHECKING:
    from TrustSegModule.app.parameters import TrustSegParameterNode
    from TrustSegModule.results.nodes import ResultNodes


def task_of(settings: TrustSegParameterNode, model: Model | None, device: str) -> Task:
    """Return the task of the panel's settings; model and device are those that the panel shows."""
    return Task(settings.inputVolume, model, device, settings.region, map_names(settings.allMaps))


def batch_of(
    settings: TrustSegParameterNode, model: Model | None, device: str, images: Path, output: Path
) -> BatchTask:
    """Return the batch of the panel's settings; a region belongs to one image and is left out."""
    return BatchTask(images, output, model, device, map_names(settings.allMaps))


def map_names(every_map: bool) -> tuple[str, ...]:
    """Return the names of the uncertainty maps to make."""
    return MAP_NAMES if every_map else (DEFAULT_MAP,)


def carry_out(scene: slicer.vtkMRMLScene, task: Task) -> ResultNodes:
    """Segment in a worker process of its own, and wait.

    Raises
    ------
    SceneError
        A node cannot be used.
    WorkerError
        The segmentation failed.
    """
    from TrustSegModule.jobs.worker import make_worker

    runner = Runner(scene, make_worker())
    try:
        return runner.run(task)
    finally:
        runner.close()
