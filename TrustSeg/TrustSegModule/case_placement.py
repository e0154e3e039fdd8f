"""A case of a batch on its way into the scene: its image, and the result as if it had just been segmented."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk

from TrustSegModule.batch_cases import BatchCase
from TrustSegModule.geometry import LPS_FROM_RAS, copy_steps
from TrustSegModule.input_volume import images
from TrustSegModule.placement import Placement
from TrustSegModule.prepared_result import PreparedResult, prepare_steps
from TrustSegModule.result_nodes import ResultNodes, find_results, report_of

if TYPE_CHECKING:
    from TrustSegLib.worker import CaseAnswer, Finished
    from TrustSegModule.models import Model

CASE_ATTRIBUTE = "TrustSeg.Case"
"""Of an image that was opened from a batch: the folder of its results."""


class CasePlacement(Placement):
    """Puts an image and its result into the scene; the nodes come in the last call only.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the nodes will be.
    case : BatchCase
        What was asked for.
    model : Model
        That has segmented it.
    event : Finished
        With a `CaseAnswer`.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, case: BatchCase, model: Model, event: Finished) -> None:
        self._case, self._voxels = case, vtk.vtkImageData()
        super().__init__(scene, None, model, event)

    def _prepare_steps(self) -> Generator[None, None, PreparedResult]:
        image = self._answer.image
        # Components side by side, as VTK has them; a single one is no axis.
        array = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
        yield from copy_steps(array, image.dtype.type, self._voxels)
        return (yield from prepare_steps(self._answer))

    def _is_wanted(self) -> bool:
        return True

    def _image(self) -> slicer.vtkMRMLScalarVolumeNode:
        kind = "Scalar" if len(self._answer.image) == 1 else "Vector"
        node = self._scene.CreateNodeByClass(f"vtkMRML{kind}VolumeNode")
        node.UnRegister(None)
        node.SetName(self._scene.GenerateUniqueName(image_title(self._case)))
        node.SetAttribute(CASE_ATTRIBUTE, self._case.folder)
        node.SetIJKToRASMatrix(_ijk_to_ras(self._answer))
        node.SetAndObserveImageData(self._voxels)
        node = self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        return node

    @property
    def _answer(self) -> CaseAnswer:
        return self._event.answer


def image_title(case: BatchCase) -> str:
    """Return what the image of a case is called in the scene: as the folder of its results."""
    return Path(case.folder).name


def find_case(scene: slicer.vtkMRMLScene, case: BatchCase, report: dict[str, Any]) -> ResultNodes | None:
    """Return the nodes of a case that is in the scene already, with the same results; None otherwise.

    So that what a person has reviewed is not thrown away, and what was segmented again is not taken for it.
    """
    for image in images(scene):
        if image.GetAttribute(CASE_ATTRIBUTE) == case.folder:
            results = find_results(scene, image)
            if results is not None and report_of(results.segmentation) == report:
                return results
    return None


def _ijk_to_ras(answer: CaseAnswer) -> vtk.vtkMatrix4x4:
    axes = np.reshape(answer.direction, (3, 3)) * np.asarray(answer.spacing)
    matrix = np.eye(4)
    matrix[:3, :3] = axes * LPS_FROM_RAS[:, np.newaxis]
    matrix[:3, 3] = np.asarray(answer.origin) * LPS_FROM_RAS
    return slicer.util.vtkMatrixFromArray(matrix)
