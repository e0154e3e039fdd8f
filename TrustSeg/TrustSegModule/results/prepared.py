"""A result of the worker as VTK images without nodes, made in steps, as large ones take a second."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import slicer
import vtk

from TrustSegModule.scene.geometry import copy_steps, run_steps
from TrustSegModule.scene.views import middle_steps

Box = tuple[slice, slice, slice]
MARGIN = 1
"""Voxels of background around the structures; a surface is not made of an image of one slice."""


class WorkerResult(Protocol):
    """Result of the worker: `labels` and `maps` by name, (D, H, W), and `report`."""

    labels: np.ndarray
    maps: dict[str, np.ndarray]
    report: dict[str, Any]


@dataclass(frozen=True)
class PreparedResult:
    """A result that is ready to be assigned to its nodes.

    Attributes
    ----------
    labelmap : vtkOrientedImageData
        The mask, cropped to its structures: its extent gives the voxels (i, j, k) of the image that it holds.
        The position of the image is not yet known.
    maps : dict of str to vtkImageData
        By the name of the map.
    middle : tuple of 3 ints or None
        Voxel (i, j, k) in the middle of the mask; None for an empty one.
    report : dict
        As `TrustSegLib.report.report_json` made it.
    shape : tuple of 3 ints
        (D, H, W) of the image that was segmented.
    """

    labelmap: slicer.vtkOrientedImageData
    maps: dict[str, vtk.vtkImageData]
    middle: tuple[int, int, int] | None
    report: dict[str, Any]
    shape: tuple[int, ...]


def prepare_steps(result: WorkerResult) -> Generator[None, None, PreparedResult]:
    """Copy a result, a few MB per step, and find the middle of the mask; the scene is not changed.

    Parameters
    ----------
    result : SegmentResult
        Mask and maps on the grid of the image, and the report; must not change between the steps.
    """
    labelmap = yield from _labelmap_steps(result.labels)
    maps = {name: vtk.vtkImageData() for name in result.maps}
    for name, image in maps.items():
        yield from copy_steps(result.maps[name], np.float32, image)
    middle = yield from middle_steps(result.labels)
    return PreparedResult(labelmap, maps, middle, result.report, result.labels.shape)


def _labelmap_steps(labels: np.ndarray) -> Generator[None, None, slicer.vtkOrientedImageData]:
    # Cropped as by Slicer's own editor: the time for surfaces grows with the size.
    box = yield from box_steps(labels)
    labelmap = slicer.vtkOrientedImageData()
    yield from copy_steps(labels[box], np.uint8, labelmap)
    labelmap.SetExtent(*(index for axis in reversed(box) for index in (axis.start, axis.stop - 1)))
    return labelmap


def prepare(result: WorkerResult) -> PreparedResult:
    """Take all of `prepare_steps` at once."""
    return run_steps(prepare_steps(result))


def box_steps(labels: np.ndarray) -> Generator[None, None, Box]:
    """Find the box around all voxels of a mask, a slice per step.

    Parameters
    ----------
    labels : ndarray (D, H, W)
        0 is background.

    Returns
    -------
    tuple of slice
        Along the axes of `labels`; around the first voxel for an empty mask.
    """
    used = [np.zeros(size, dtype=bool) for size in labels.shape]
    for k, plane in enumerate(labels):
        inside = plane != 0
        rows = inside.any(axis=1)
        used[0][k] = rows.any()
        used[1] |= rows
        used[2] |= inside.any(axis=0)
        yield
    first, second, third = (_range(axis) for axis in used)
    return first, second, third


def _range(used: np.ndarray) -> slice:
    # A segment needs an image, so that of an empty mask has voxels too.
    places = np.flatnonzero(used) if used.any() else np.zeros(1)
    return slice(max(int(places[0]) - MARGIN, 0), min(int(places[-1]) + MARGIN + 1, len(used)))
