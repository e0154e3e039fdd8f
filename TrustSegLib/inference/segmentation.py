"""From an image and a model to the mask and how sure the model is of it."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
import torch

from TrustSegLib.imaging import Volume
from TrustSegLib.inference.device import choose_device, device_title
from TrustSegLib.inference.grid import Box, Grid
from TrustSegLib.inference.options import SegmentOptions
from TrustSegLib.inference.prediction import Model, predict
from TrustSegLib.inference.restore import Restorer
from TrustSegLib.inference.result import SegmentationResult
from TrustSegLib.inference.roi import Roi
from TrustSegLib.inference.stages import CancelledCallback, ProgressCallback, Stages
from TrustSegLib.inference.windows import patch_starts, window_shape
from TrustSegLib.uncertainty import labels, structure_rows, uncertainty_map
from TrustSegLib.version import __version__

if TYPE_CHECKING:
    from TrustSegLib.bundle import ModelDescription

ROW_MAP = "error_probability"
"""The map whose mean every structure's row tells, whichever maps were asked for."""

CHUNK_BYTES = 128_000_000
"""Class moments that are brought back to the input's grid at a time."""


def segment(
    volume: Volume,
    bundle: Model,
    options: SegmentOptions | None = None,
    progress: ProgressCallback | None = None,
    cancelled: CancelledCallback | None = None,
) -> SegmentationResult:
    """Segment one image with one model.

    The image is oriented, resampled and normalized as the model was trained, passed through the network in
    overlapping patches, and the class moments are brought back onto the image's own grid; mask and maps are
    made there. Where the two grids differ by flips and transposes only, nothing is interpolated. Intensities
    are normalized by the statistics of the whole image even when only a region of interest is segmented, so
    that the region's choice does not change what the network sees.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)` with the channels that the model names.
    bundle : Model
        A bundle, or any object with `description`, `sha256` and `network()`.
    options : SegmentOptions, optional
        The defaults if None.
    progress : callable, optional
        Called with `Progress(stage, done, total)`; the stages are `prepare`, `predict`, `restore`, `measure`.
    cancelled : callable, optional
        Asked before every stage and batch; True stops the work.

    Returns
    -------
    SegmentationResult
        On the image's own grid; outside the ROI, and where the resampled image does not reach, background
        with uncertainty 0.

    Raises
    ------
    Cancelled
        When `cancelled` said so.
    ImageError
        When the image's channels are not the model's, or it holds NaN or infinite values.
    OptionError
        When the device is not there, or the ROI holds no voxel.
    OutputError
        When the disk has no room for temporary files.
    TrustSegError
        When the network's answer is not finite.
    """
    options = options or SegmentOptions()
    description = bundle.description
    device = choose_device(options.device)
    grid = Grid.of(volume)
    box = Box((0, 0, 0), grid.shape) if options.roi is None else options.roi.box(grid)
    stages = Stages(progress, cancelled)
    back, shape = predict(volume, bundle, box, options, device, stages)
    with stages.stage("restore"):
        mask, maps = _mask_and_maps(back, volume, box, options, stages, description.classes)
    with stages.stage("measure"):
        rows = structure_rows(mask, maps[ROW_MAP], description.structures)
        stages.report("measure", 1, 1)
    return SegmentationResult(
        labels=mask,
        maps={name: maps[name] for name in options.maps},
        structures=rows,
        model={"name": description.name, "version": description.version, "sha256": bundle.sha256},
        provenance=_provenance(description, options, device, stages, shape),
    )


def _mask_and_maps(
    back: Restorer, volume: Volume, box: Box, options: SegmentOptions, stages: Stages, classes: int
) -> tuple[Volume, dict[str, Volume]]:
    """Mask and maps on the image's grid, a few rows at a time: all would not fit into memory."""
    grid = Grid.of(volume)
    mask = np.zeros((1, *grid.shape), dtype=np.uint8)
    maps = {name: np.zeros((1, *grid.shape), dtype=np.float32) for name in {*options.maps, ROW_MAP}}
    rows, *plane = box.shape
    step = max(1, CHUNK_BYTES // (8 * classes * plane[0] * plane[1]))
    for first in range(0, rows, step):
        stages.check()
        last = min(first + step, rows)
        mean, variance = back.rows(first, last)
        part = box.rows(first, last)
        outside = _outside(options.roi, grid, part)
        _put(mask, labels(mean), part, outside)
        for name, values in maps.items():
            _put(values, uncertainty_map(name, mean, variance), part, outside)
        stages.report("restore", last, rows)
    return volume.with_array(mask), {name: volume.with_array(values) for name, values in maps.items()}


def _outside(roi: Roi | None, grid: Grid, part: Box) -> np.ndarray | bool:
    """Voxels of a part that are not in the ROI, bool `(D, H, W)`."""
    return False if roi is None else ~roi.inside(grid, part)


def _put(target: np.ndarray, values: np.ndarray, part: Box, outside: np.ndarray | bool) -> None:
    """Write values `(D, H, W)` into a part of a volume `(1, D, H, W)`, 0 where they are outside."""
    target[(0, *part.slices)] = np.where(outside, values.dtype.type(0), values)


def _provenance(
    description: ModelDescription,
    options: SegmentOptions,
    device: torch.device,
    stages: Stages,
    shape: tuple[int, int, int],
) -> dict[str, Any]:
    patch = description.patch_shape
    return {
        "versions": {
            "trustseg": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "SimpleITK": sitk.__version__,
        },
        "device": device_title(device),
        "precision": options.precision,
        "engine": "pytorch",
        "times": dict(stages.times),
        "patch": list(reversed(patch)),
        "overlap": options.overlap,
        "batch_size": options.batch_size,
        "patches": len(patch_starts(window_shape(shape, patch), patch, options.overlap)),
        "roi": None if options.roi is None else str(options.roi),
    }
