"""What the worker found as VTK images that no node has yet, made in steps: large ones take a second."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import slicer
import vtk

from TrustSegModule.geometry import copy_steps
from TrustSegModule.mask_middle import middle_steps


class Answer(Protocol):
    """What the worker gives back: `labels` and `maps` by name, (D, H, W), and `report`."""

    labels: np.ndarray
    maps: dict[str, np.ndarray]
    report: dict[str, Any]


@dataclass(frozen=True)
class PreparedResult:
    """A result that only has to be given to its nodes.

    Attributes
    ----------
    labelmap : vtkOrientedImageData
        The mask; where it lies is not yet known.
    maps : dict of str to vtkImageData
        By the name of the map.
    middle : tuple of 3 ints or None
        Voxel (i, j, k) in the middle of the mask; None for an empty one.
    report : dict
        As `TrustSegLib.report.report_json` made it.
    """

    labelmap: slicer.vtkOrientedImageData
    maps: dict[str, vtk.vtkImageData]
    middle: tuple[int, int, int] | None
    report: dict[str, Any]


def prepare_steps(answer: Answer) -> Generator[None, None, PreparedResult]:
    """Copy a result, a few MB per step, and look for the middle of the mask; the scene is not touched.

    Parameters
    ----------
    answer : SegmentAnswer
        Mask and maps on the grid of the image, and the report; must not change between the steps.
    """
    labelmap = slicer.vtkOrientedImageData()
    yield from copy_steps(answer.labels, np.uint8, labelmap)
    maps = {name: vtk.vtkImageData() for name in answer.maps}
    for name, image in maps.items():
        yield from copy_steps(answer.maps[name], np.float32, image)
    middle = yield from middle_steps(answer.labels)
    return PreparedResult(labelmap, maps, middle, answer.report)


def prepare(answer: Answer) -> PreparedResult:
    """Take all of `prepare_steps` at once."""
    steps = prepare_steps(answer)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
