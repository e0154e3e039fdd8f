"""Regions to review: where more of the result may be wrong than along any boundary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from TrustSegLib.contract import LPS_FROM_RAS
from TrustSegLib.uncertainty.bounding_box import bounding_box, with_margin
from TrustSegLib.uncertainty.volumes import NamedLabel

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume


MOST_REGIONS = 10
SMALLEST_WRONG_ML = 0.005
"""Smallest expected error of a region, that of a blob of 2 mm."""
_TOUCHING = np.ones((3, 3, 3), dtype=bool)
_EQUAL = 1e-4
"""Local means closer than this are equal, so that rounding does not choose between mirrored halves."""
DOUBTFUL = 0.1
"""Error probability from which a voxel can belong to a region."""
SCALE_MM = 2.0
"""Standard deviation of the Gaussian that averages the error: anything thinner is a rim."""
ABOVE_RIM = 1.5
"""Local mean of a region, relative to the rim's, at least."""
_REACH = 3.0  # standard deviations at which the Gaussian is truncated


@dataclass(frozen=True)
class Region:
    """A connected region of high expected error.

    Attributes
    ----------
    rank : int
        From 1, the one that could change the result most.
    position_ras_mm : tuple of float
        Its voxel of highest local mean error, in RAS mm.
    index : tuple of int
        The same voxel, (i, j, k) along x, y, z of the file.
    volume_ml : float
        Its size.
    expected_wrong_ml : float
        Sum of its voxels' error probabilities times the voxel volume.
    peak, mean : float
        Highest and mean error probability, 0 to 1.
    structures : tuple of str
        Names of the structures in it or within one voxel of it, in the order of the model.
    """

    rank: int
    position_ras_mm: tuple[float, float, float]
    index: tuple[int, int, int]
    volume_ml: float
    expected_wrong_ml: float
    peak: float
    mean: float
    structures: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """A region that is not ranked yet, what it is ranked by, and its voxels in the whole volume."""

    region: Region
    above_rim_ml: float
    box: tuple[slice, ...]
    voxels: np.ndarray

    @property
    def order(self) -> tuple[float, ...]:
        # Rounded, so that regions that differ by the last bits only are ordered by their place in the body.
        return (-round(self.above_rim_ml, 7), *(round(value, 3) for value in self.region.position_ras_mm))


def find_regions(
    error: Volume, labels: Volume, structures: Sequence[NamedLabel], most: int = MOST_REGIONS
) -> tuple[Region, ...]:
    """Find the regions that could change the result most.

    A voxel belongs to a region when its error probability is above `DOUBTFUL` and its local mean error (by a
    Gaussian of `SCALE_MM`) is above `ABOVE_RIM` times the rim. The rim is the median over the mask's surface,
    at most that of a boundary located to one voxel. Voxels are 26-connected. Regions are ranked by the sum of
    `error * (1 - threshold / local mean)`: a rim hardly thicker than elsewhere counts little, however long.

    Parameters
    ----------
    error : Volume
        `(1, D, H, W)`, probability that the voxel's label is wrong, 0 to 1.
    labels : Volume
        `(1, D, H, W)` integers on the same grid, 0 is background.
    structures : sequence of NamedLabel
        The model's structures.
    most : int
        Largest number of regions returned.

    Returns
    -------
    tuple of Region
        By rank; may be empty.

    Raises
    ------
    ValueError
        If the grids differ or there is more than one channel.
    """
    found = _ranked(error, labels, structures, most)
    return tuple(replace(one.region, rank=rank) for rank, one in enumerate(found, start=1))


def mark_regions(error: Volume, labels: Volume, most: int = MOST_REGIONS) -> np.ndarray:
    """Mark the voxels of the regions that `find_regions` finds.

    Parameters
    ----------
    error, labels, most
        As for `find_regions`.

    Returns
    -------
    np.ndarray
        `(D, H, W)` integers: the rank of a voxel's region, 0 outside of all.

    Raises
    ------
    ValueError
        As `find_regions`.
    """
    marked = np.zeros(error.array.shape[1:], dtype=np.uint16)
    for rank, one in enumerate(_ranked(error, labels, (), most), start=1):
        marked[one.box][one.voxels] = rank
    return marked


def _ranked(error: Volume, labels: Volume, structures: Sequence[NamedLabel], most: int) -> list[_Found]:
    if error.array.shape != labels.array.shape or not error.same_grid(labels) or error.channels != 1:
        raise ValueError("error and labels do not lie on the same grid, with one channel each")
    if most < 0:
        raise ValueError(f"the largest number of regions is not negative, this one is {most}")
    field = make_field(error, labels)
    if field is None:
        return []
    return sorted(_regions(field, error, structures), key=lambda one: one.order)[:most]


def _regions(field: Field, grid: Volume, structures: Sequence[NamedLabel]) -> Iterator[_Found]:
    inside = (field.error > DOUBTFUL) & (field.local_mean > field.threshold)
    parts, _ = ndimage.label(inside, structure=_TOUCHING)
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        found = _measure(field, grid, parts, number, box, structures)
        if found.region.expected_wrong_ml >= SMALLEST_WRONG_ML:
            yield found


def _measure(
    field: Field,
    grid: Volume,
    parts: np.ndarray,
    number: int,
    box: tuple[slice, slice, slice],
    structures: Sequence[NamedLabel],
) -> _Found:
    voxels = parts[box] == number
    error = field.error[box][voxels].astype(np.float64)
    local_mean = field.local_mean[box][voxels].astype(np.float64)
    start = np.array([part.start for part in box]) + field.start
    index, position = _position(np.argwhere(voxels) + start, local_mean, grid)
    region = Region(
        rank=0,
        position_ras_mm=position,
        index=index,
        volume_ml=len(error) * grid.voxel_volume_ml,
        expected_wrong_ml=float(error.sum()) * grid.voxel_volume_ml,
        peak=float(error.max()),
        mean=float(error.mean()),
        structures=_names(field, parts, number, box, structures),
    )
    above = float((error * (1 - field.threshold / local_mean)).sum())
    whole = tuple(slice(first + a.start, first + a.stop) for first, a in zip(field.start, box, strict=True))
    return _Found(region, above * grid.voxel_volume_ml, whole, voxels)


def _position(
    voxels: np.ndarray, local_mean: np.ndarray, grid: Volume
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Voxel of the highest local mean; among equal ones the first in the body, not in the file."""
    highest = voxels[local_mean >= local_mean.max() - _EQUAL][:, ::-1]
    points = (highest @ grid.index_to_lps[:3, :3].T + grid.origin) * LPS_FROM_RAS
    first = np.lexsort(np.round(points, 3).T[::-1])[0]
    return tuple(highest[first].tolist()), tuple(points[first].tolist())


def _names(
    field: Field,
    parts: np.ndarray,
    number: int,
    box: tuple[slice, slice, slice],
    structures: Sequence[NamedLabel],
) -> tuple[str, ...]:
    wider = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
    touched = ndimage.binary_dilation(parts[wider] == number, structure=_TOUCHING)
    labels = set(np.unique(field.labels[wider][touched]).tolist())
    return tuple(structure.name for structure in structures if structure.label in labels)


@dataclass(frozen=True)
class Field:
    """The part of a volume around its doubtful voxels.

    Attributes
    ----------
    error, labels, local_mean : np.ndarray
        `(D, H, W)`; `local_mean` is the error probability averaged with a Gaussian, 0 outside the volume.
    start : tuple of int
        Index (z, y, x) in the volume of the first voxel.
    threshold : float
        Local mean from which a voxel stands out from the rim.
    """

    error: np.ndarray
    labels: np.ndarray
    local_mean: np.ndarray
    start: tuple[int, int, int]
    threshold: float


def make_field(error: Volume, labels: Volume) -> Field | None:
    """Average the error around the doubtful voxels; None where there are none.

    Parameters
    ----------
    error, labels : Volume
        `(1, D, H, W)` on one grid.
    """
    box = _box_of_doubt(error.array[0], error.spacing[::-1])
    if box is None:
        return None
    part = np.asarray(error.array[0][box], dtype=np.float32)
    mask = labels.array[0][box]
    sigmas = [SCALE_MM / step for step in error.spacing[::-1]]
    # Zero outside the volume: a region then looks the same wherever it lies in the image.
    local_mean = ndimage.gaussian_filter(part, sigmas, mode="constant", truncate=_REACH)
    threshold = ABOVE_RIM * _rim(local_mean, mask, error.spacing)
    return Field(part, mask, local_mean, tuple(side.start for side in box), threshold)


def _box_of_doubt(error: np.ndarray, spacing: tuple[float, ...]) -> tuple[slice, ...] | None:
    """Bounding box of the doubtful voxels and of all that their local mean depends on."""
    box = bounding_box(plane > DOUBTFUL for plane in error)
    if box is None:
        return None
    margin = tuple(math.ceil(_REACH * SCALE_MM / step) + 1 for step in spacing)
    return with_margin(box, margin, error.shape)


def _rim(local_mean: np.ndarray, labels: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Local mean error along the boundary of this case, at most that of a boundary located to one voxel.

    A flat boundary located with standard deviation s has error probability Phi(-|d| / s) at distance d, which
    integrates to s sqrt(2 / pi) per area; a Gaussian of width S takes 1 / (S sqrt(2 pi)) of a thin sheet.
    Without a boundary the rim is 0.
    """
    surface = boundary_voxels(labels)
    if not surface.any():
        return 0.0
    voxel = math.prod(spacing) ** (1 / 3)
    limit = voxel * math.sqrt(2 / math.pi) / (SCALE_MM * math.sqrt(2 * math.pi))
    return min(limit, float(np.median(local_mean[surface])))


def boundary_voxels(labels: np.ndarray) -> np.ndarray:
    """Voxels on both sides of every face between two labels, bool (D, H, W) of labels (D, H, W)."""
    # Differences along the axes are much faster than filters of the whole volume.
    surface = np.zeros(labels.shape, dtype=bool)
    for axis in range(3):
        before = tuple(slice(None, -1) if other == axis else slice(None) for other in range(3))
        after = tuple(slice(1, None) if other == axis else slice(None) for other in range(3))
        edge = labels[before] != labels[after]
        surface[before] |= edge
        surface[after] |= edge
    return surface
