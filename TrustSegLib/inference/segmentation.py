"""From an image and a model to the mask and how sure the model is of it."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import SimpleITK as sitk
import torch

from TrustSegLib.errors import BundleError, ImageError
from TrustSegLib.imaging import Volume, normalize, orient, resample
from TrustSegLib.inference.device import choose_device, device_title
from TrustSegLib.inference.grid import Box, Grid
from TrustSegLib.inference.options import SegmentOptions
from TrustSegLib.inference.planes import PlaneNetwork
from TrustSegLib.inference.restore import Restorer, restorer
from TrustSegLib.inference.result import SegmentationResult
from TrustSegLib.inference.roi import Roi
from TrustSegLib.inference.sliding_window import sliding_window
from TrustSegLib.inference.stages import CancelledCallback, ProgressCallback, Stages
from TrustSegLib.inference.storage import Storage
from TrustSegLib.inference.windows import patch_starts, window_shape
from TrustSegLib.uncertainty import labels, structure_rows, uncertainty_map
from TrustSegLib.version import __version__

if TYPE_CHECKING:
    from TrustSegLib.bundle import ModelDescription

ROW_MAP = "error_probability"
"""The map whose mean every structure's row tells, whichever maps were asked for."""

SAME_SPACING = 1e-3
"""Spacings that differ by less than this fraction are the same: headers round, and interpolation blurs."""

CHUNK_BYTES = 128_000_000
"""Class moments that are brought back to the input's grid at a time."""


class Model(Protocol):
    """What `segment` needs of a bundle."""

    description: ModelDescription
    sha256: str

    def network(self) -> torch.nn.Module:
        """Network with its weights, in evaluation mode."""


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
    bundle : Bundle
        The model; any object with `description`, `sha256` and `network()` will do.
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
    _check_image(volume, description)
    device = choose_device(options.device)
    grid = Grid.of(volume)
    box = Box((0, 0, 0), grid.shape) if options.roi is None else options.roi.box(grid)
    stages = Stages(progress, cancelled)
    with stages.stage("prepare"):
        prepared = _prepare(volume, description)
        region = _region(Grid.of(prepared), grid.crop(box), description.patch_shape)
        source = Grid.of(prepared).crop(region)
        array = prepared.array[(slice(None), *region.slices)]
        stages.report("prepare", 1, 1)
    with stages.stage("predict"):
        mean, variance = sliding_window(
            array,
            _network(bundle),
            description.patch_shape,
            overlap=options.overlap,
            batch_size=options.batch_size,
            device=device,
            precision=options.precision,
            storage=Storage(options.memory_gb),
            progress=progress,
            cancelled=cancelled,
        )
        _check_classes(mean, description)
    del prepared, array
    with stages.stage("restore"):
        back = restorer(mean, variance, source, grid.crop(box))
        mask, maps = _mask_and_maps(back, volume, box, options, stages, description.classes)
    with stages.stage("measure"):
        rows = structure_rows(mask, maps[ROW_MAP], description.structures)
        stages.report("measure", 1, 1)
    return SegmentationResult(
        labels=mask,
        maps={name: maps[name] for name in options.maps},
        structures=rows,
        model={"name": description.name, "version": description.version, "sha256": bundle.sha256},
        provenance=_provenance(description, options, device, stages, source.shape),
    )


def _check_image(volume: Volume, description: ModelDescription) -> None:
    expected, found = len(description.channels), volume.channels
    if found != expected:
        raise ImageError(
            f"the image has {found} channel{'s' * (found != 1)}, model {description.name} expects {expected} "
            f"({', '.join(description.channels)}); give the image it was made for, or choose another model"
        )
    # Plane by plane: a mask of the whole image would cost a quarter of its memory.
    if not all(np.isfinite(plane).all() for channel in volume.array for plane in channel):
        raise ImageError("the image holds NaN or infinite voxels; replace them before it is segmented")


def _prepare(volume: Volume, description: ModelDescription) -> Volume:
    """Image as the network knows it; each step replaces the one before, to have at most two in memory."""
    wanted = description.input
    volume = orient(volume, wanted.orientation)
    if not np.allclose(volume.spacing, wanted.spacing_mm, rtol=SAME_SPACING, atol=0.0):
        volume = resample(volume, wanted.spacing_mm, "linear")
    return normalize(volume, wanted.normalization)


def _region(model_grid: Grid, target: Grid, patch_shape: tuple[int, int, int]) -> Box:
    """Part of the model's grid to pass through the network for a target.

    A quarter of a patch is added around it, so that the target's border is not a patch's border, and it is
    never smaller than a patch while the image goes on.
    """
    margin = tuple(size // 4 for size in patch_shape)
    return model_grid.box_around(target.corners(), margin).grown_to(patch_shape, model_grid.shape)


def _network(bundle: Model) -> torch.nn.Module:
    network = bundle.network()
    is_planar = bundle.description.network.get("dimensions", 3) == 2
    return PlaneNetwork(network) if is_planar else network


def _check_classes(mean: np.ndarray, description: ModelDescription) -> None:
    if len(mean) != description.classes:
        raise BundleError(
            f"model {description.name}: its network answers {len(mean)} classes, its description names "
            f"{description.classes}; get the model again"
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
