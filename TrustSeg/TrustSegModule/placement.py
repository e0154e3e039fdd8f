"""A result on its way into the scene: a piece at a time, so that the application never stands still."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING

import slicer

from TrustSegModule import result_nodes
from TrustSegModule.prepared_result import PreparedResult, prepare_steps
from TrustSegModule.result_nodes import ResultNodes

if TYPE_CHECKING:
    from TrustSegLib.worker import Finished, Stopped
    from TrustSegModule.models import Model

STEP_SECONDS = 0.02
"""For which one call works; the application draws and listens between two calls."""


class Placement:
    """Puts one result into the scene; the nodes change in the last call only, and then as a whole.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the nodes are.
    input_node : vtkMRMLScalarVolumeNode or None
        The image; None for one that a subclass brings along.
    model : Model
        That has segmented it.
    event : Finished
        What the worker has found.

    Attributes
    ----------
    results : ResultNodes or None
        Once `go_on` has returned `Finished`.
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
        """Leave the scene as it is; the next `go_on` returns `Stopped`."""
        self._cancelled = True

    def go_on(self) -> Finished | Stopped | None:
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
        self.results = result_nodes.put_prepared(self._scene, self._image(), self._prepared, description)
        return self._event

    def _prepare_steps(self) -> Generator[None, None, PreparedResult]:
        return prepare_steps(self._event.answer)

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
        node, shape = self._input_node, self._event.answer.labels.shape
        if self._scene.IsNodePresent(node) == 0 or node.GetImageData() is None:
            return False
        return node.GetImageData().GetDimensions() == shape[::-1]

    def _image(self) -> slicer.vtkMRMLScalarVolumeNode:
        return self._input_node
