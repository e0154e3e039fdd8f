"""Mask and maps on the image's own grid, and the scores of the structures, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from TrustSegLib.contract import DEFAULT_MAP
from TrustSegLib.imaging import Volume
from TrustSegLib.imaging.grid import Box, Grid, Roi
from TrustSegLib.inference.options import SegmentOptions
from TrustSegLib.inference.restore import Restorer, SourceMoments
from TrustSegLib.inference.stages import Stages
from TrustSegLib.uncertainty import (
    QUALITY_SCORES,
    Calibration,
    ScoreSums,
    StructureScores,
    labels,
    uncertainty_map,
)

CHUNK_BYTES = 128_000_000
"""Size of the class moments that are resampled to the input's grid at a time."""


@dataclass(frozen=True)
class Area:
    """The part of an image's grid that is segmented: a box, and in it what lies in the ROI."""

    grid: Grid
    box: Box
    roi: Roi | None

    @classmethod
    def of(cls, volume: Volume, roi: Roi | None) -> Area:
        """Area of a volume; `OptionError` if the ROI holds none of its voxels."""
        grid = Grid.of(volume)
        return cls(grid, Box((0, 0, 0), grid.shape) if roi is None else roi.box(grid), roi)

    def parts(self, step: int) -> Iterator[tuple[int, int, Box]]:
        """Rows of the box, `step` at a time: the first, the one after the last, and their box."""
        rows = self.box.shape[0]
        for first in range(0, rows, step):
            last = min(first + step, rows)
            yield first, last, self.box.rows(first, last)

    def inside(self, part: Box) -> np.ndarray | None:
        """Voxels of a part that are segmented, bool `(D, H, W)`; None for all."""
        return None if self.roi is None else self.roi.inside(self.grid, part)

    @property
    def is_whole(self) -> bool:
        """Whether every voxel of the image is segmented."""
        if self.box.shape != self.grid.shape:
            return False
        return self.roi is None or all(self.inside(part).all() for _, _, part in self.parts(1))


def mask_and_maps(
    restorer: Restorer, volume: Volume, area: Area, options: SegmentOptions, stages: Stages, classes: int
) -> tuple[Volume, dict[str, Volume], tuple[StructureScores, ...]]:
    """Mask and raw maps on the image's grid, and the raw scores.

    The class moments of a large image do not fit into memory: each of their rows is seen once.

    Returns
    -------
    Volume
        Mask `(1, D, H, W)` uint8, background outside the area.
    dict of str to Volume
        The maps asked for, and `DEFAULT_MAP` for the structures' means: `(1, D, H, W)` float32, 0 outside the
        area.
    tuple of StructureScores
        Of the area. Those of the mask's quality are measured on the model's grid if the image is whole: for
        it they are calibrated. In larger voxels more of a structure is its rim, and it would look worse.
    """
    shape = (1, *area.grid.shape)
    mask = np.zeros(shape, dtype=np.uint8)
    maps = {name: np.zeros(shape, dtype=np.float32) for name in {*options.maps, DEFAULT_MAP}}
    sums = ScoreSums(range(1, classes))
    for first, last, part in area.parts(_rows_at_a_time(area.box.shape, classes)):
        stages.check()
        mean, variance = restorer.rows(first, last)
        inside = area.inside(part)
        found = labels(mean)
        sums.add(mean, variance, found, inside)
        _put(mask, found, part, inside)
        for name, values in maps.items():
            _put(values, uncertainty_map(name, mean, variance), part, inside)
        stages.report("restore", last, area.box.shape[0])
    mask, maps = volume.with_array(mask), {name: volume.with_array(array) for name, array in maps.items()}
    scores = sums.scores(mask, maps[DEFAULT_MAP])
    if restorer.source is not None and area.is_whole:
        scores = _on_model_grid(restorer.source, scores)
    return mask, maps, scores


def _on_model_grid(source: SourceMoments, own: tuple[StructureScores, ...]) -> tuple[StructureScores, ...]:
    """The scores with those of the quality from the model's grid; volumes stay those of the image's own."""
    shape, classes = source.grid.shape, len(source.mean)
    sums = ScoreSums([each.label for each in own])
    found, error = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    step = _rows_at_a_time(shape, classes)
    for first in range(0, shape[0], step):
        rows = slice(first, first + step)
        mean, variance = (np.asarray(each[:, rows]) for each in (source.mean, source.variance))
        found[rows], error[rows] = labels(mean), uncertainty_map(DEFAULT_MAP, mean, variance)
        sums.add(mean, variance, found[rows])
    spacing, direction = tuple(source.grid.spacing), tuple(source.grid.direction.ravel())
    mask = Volume(found[np.newaxis], spacing, tuple(source.grid.origin), direction)
    scores = sums.scores(mask, mask.with_array(error[np.newaxis]))
    return tuple(
        replace(each, **{name: getattr(score, name) for name in QUALITY_SCORES})
        for each, score in zip(own, scores, strict=True)
    )


def calibrate_map(values: Volume, area: Area, calibration: Calibration) -> None:
    """Replace the raw error probability `(1, D, H, W)` of an area by the calibrated one, in place."""
    for _, _, part in area.parts(1):
        raw = values.array[(0, *part.slices)]
        _put(values.array, calibration.error_probability(raw), part, area.inside(part))


def _rows_at_a_time(shape: tuple[int, int, int], classes: int) -> int:
    return max(1, CHUNK_BYTES // (8 * classes * shape[1] * shape[2]))


def _put(target: np.ndarray, values: np.ndarray, part: Box, inside: np.ndarray | None) -> None:
    """Write values `(D, H, W)` into a part of a volume `(1, D, H, W)`, 0 where they are not inside."""
    target[(0, *part.slices)] = values if inside is None else np.where(inside, values, values.dtype.type(0))
