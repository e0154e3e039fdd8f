"""Placement of a result in the scene, a piece at a time, so that the application never blocks.

It is that of a segmentation, or a case of a batch, which brings its image, too.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk

from TrustSegLib.contract import LPS_FROM_RAS
from TrustSegModule.results import nodes
from TrustSegModule.results.cases import BatchCase
from TrustSegModule.results.nodes import ResultNodes, find_results, report_of
from TrustSegModule.results.prepared import PreparedResult, prepare_steps
from TrustSegModule.scene.geometry import copy_steps
from TrustSegModule.scene.inputs import images

if TYPE_CHECKING:
    from TrustSegLib.worker import CaseResult, Finished, Stopped
    from TrustSegModule.app.models import Model


STEP_SECONDS = 0.02
"""Duration of one call; the application handles events between two calls."""

CASE_ATTRIBUTE = "TrustSeg.Case"
"""Of an image that was opened from a batch: the folder of its results."""


class Placement:
    """Puts one result into the scene; the nodes change in the last call only, and then as a whole.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the nodes are.
    input_node : vtkMRMLScalarVolumeNode or None
        The image; None for one that a subclass brings along.
    model : Model
        Model of the result.
    event : Finished
        With the result of the worker.

    Attributes
    ----------
    results : ResultNodes or None
        Once `step` has returned `Finished`.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        input_node: slicer.vtkMRMLScalarVolumeNode | None,
        model: Model,
        event: Finished,
    ) -> None:
        self.results: ResultNodes | None = None
        self._scene, self._input_node, self._model, self._event = scene, input_node, model, event
        self._steps = self._prepare_steps()
        self._prepared: PreparedResult | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Leave the scene as it is; the next `step` returns `Stopped`."""
        self._cancelled = True

    def step(self) -> Finished | Stopped | None:
        """Work for a moment.

        Returns
        -------
        Finished or Stopped or None
            `Finished` once the result is in the scene; `Stopped` when it was cancelled, or its image has left
            the scene or got another size; None when there is more to do.

        Raises
        ------
        SceneError
            The image has lost its voxels.
        """
        from TrustSegLib.worker import Stopped

        if self._cancelled or not self._is_wanted():
            return Stopped(self._event.id)
        if self._prepared is None:
            self._prepare()
            return None
        description = self._model.description
        self.results = nodes.put_prepared(self._scene, self._image(), self._prepared, description)
        return self._event

    def _prepare_steps(self) -> Generator[None, None, PreparedResult]:
        return prepare_steps(self._event.result)

    def _prepare(self) -> None:
        end = time.monotonic() + STEP_SECONDS
        try:
            next(self._steps)
            while time.monotonic() < end:
                next(self._steps)
        except StopIteration as done:
            self._prepared = done.value

    def _is_wanted(self) -> bool:
        """Whether the image has neither been removed nor replaced by one of another size."""
        node, shape = self._input_node, self._event.result.labels.shape
        if self._scene.IsNodePresent(node) == 0 or node.GetImageData() is None:
            return False
        return node.GetImageData().GetDimensions() == shape[::-1]

    def _image(self) -> slicer.vtkMRMLScalarVolumeNode:
        return self._input_node


class CasePlacement(Placement):
    """Puts an image and its result into the scene; the nodes come in the last call only.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the nodes will be.
    case : BatchCase
        The case to open.
    model : Model
        Model of the result.
    event : Finished
        With a `CaseResult`.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, case: BatchCase, model: Model, event: Finished) -> None:
        self._case, self._voxels = case, vtk.vtkImageData()
        super().__init__(scene, None, model, event)

    def _prepare_steps(self) -> Generator[None, None, PreparedResult]:
        image = self._result.image
        # Components side by side, as VTK has them; a single one is no axis.
        array = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
        yield from copy_steps(array, image.dtype.type, self._voxels)
        return (yield from prepare_steps(self._result))

    def _is_wanted(self) -> bool:
        return True

    def _image(self) -> slicer.vtkMRMLScalarVolumeNode:
        kind = "Scalar" if len(self._result.image) == 1 else "Vector"
        node = self._scene.CreateNodeByClass(f"vtkMRML{kind}VolumeNode")
        node.UnRegister(None)
        node.SetName(self._scene.GenerateUniqueName(image_title(self._case)))
        node.SetAttribute(CASE_ATTRIBUTE, self._case.folder)
        node.SetIJKToRASMatrix(_ijk_to_ras(self._result))
        node.SetAndObserveImageData(self._voxels)
        node = self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        return node

    @property
    def _result(self) -> CaseResult:
        return self._event.result


def image_title(case: BatchCase) -> str:
    """Return the name of a case's image in the scene: that of the folder of its results."""
    return Path(case.folder).name


def find_case(scene: slicer.vtkMRMLScene, case: BatchCase, report: dict[str, Any]) -> ResultNodes | None:
    """Return the nodes of a case that is in the scene already, with the same results; None otherwise.

    A review is thus kept, and the results of another segmentation are not mistaken for it.
    """
    for image in images(scene):
        if image.GetAttribute(CASE_ATTRIBUTE) == case.folder:
            results = find_results(scene, image)
            if results is not None and report_of(results.segmentation) == report:
                return results
    return None


def _ijk_to_ras(result: CaseResult) -> vtk.vtkMatrix4x4:
    axes = np.reshape(result.direction, (3, 3)) * np.asarray(result.spacing)
    matrix = np.eye(4)
    matrix[:3, :3] = axes * np.reshape(LPS_FROM_RAS, (3, 1))
    matrix[:3, 3] = np.asarray(result.origin) * LPS_FROM_RAS
    return slicer.util.vtkMatrixFromArray(matrix)
