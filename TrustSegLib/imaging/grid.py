"""Geometry of voxels without their values: grids, boxes of voxels and regions of interest."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from TrustSegLib.contract import LPS_FROM_RAS
from TrustSegLib.errors import OptionError

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume

INDEX_PREFIX = "index:"


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxel grid with the points `origin + steps @ index` in LPS mm, for an index (x, y, z).

    Attributes
    ----------
    shape : tuple of int
        `(D, H, W)`, that is z, y, x.
    origin : np.ndarray
        `(3,)`, center of the first voxel.
    steps : np.ndarray
        `(3, 3)`; column i is the step to the next voxel along x, y or z.
    """

    shape: tuple[int, int, int]
    origin: np.ndarray
    steps: np.ndarray

    @classmethod
    def of(cls, volume: Volume) -> Grid:
        """Grid of a volume."""
        return cls(volume.shape, volume.index_to_lps[:3, 3], volume.index_to_lps[:3, :3])

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size `(3,)` along x, y, z in mm."""
        return np.linalg.norm(self.steps, axis=0)

    @property
    def direction(self) -> np.ndarray:
        """Direction cosines `(3, 3)`; column i is the direction of x, y or z."""
        return self.steps / self.spacing

    def points(self, indices: np.ndarray) -> np.ndarray:
        """Points `(N, 3)` in LPS mm of indices `(N, 3)` in (x, y, z), which may be fractional."""
        return self.origin + indices @ self.steps.T

    def indices(self, points: np.ndarray) -> np.ndarray:
        """Fractional indices `(N, 3)` in (x, y, z) of LPS points `(N, 3)`."""
        return np.linalg.solve(self.steps, (points - self.origin).T).T

    def crop(self, box: Box) -> Grid:
        """Grid of the voxels in a box."""
        lower = np.array(box.lower[::-1], dtype=float)
        return Grid(box.shape, self.points(lower[None])[0], self.steps)

    def corners(self) -> np.ndarray:
        """Outer corners `(8, 3)` in LPS mm, half a voxel beyond the centers."""
        ends = [(-0.5, size - 0.5) for size in reversed(self.shape)]
        return self.points(np.array(list(itertools.product(*ends))))

    def box_around(self, points: np.ndarray, margin: tuple[int, ...] = (0, 0, 0)) -> Box:
        """Box of the voxels that touch the bounding box of LPS points, clipped to the grid; may be empty.

        Parameters
        ----------
        points : np.ndarray
            `(N, 3)`, LPS mm.
        margin : tuple of int
            Voxels to add on both sides, `(D, H, W)`.
        """
        indices = self.indices(points)[:, ::-1]
        lower = np.floor(indices.min(axis=0) + 0.5 + 1e-6).astype(int) - margin
        upper = np.ceil(indices.max(axis=0) + 0.5 - 1e-6).astype(int) + margin
        lower, upper = np.clip(lower, 0, self.shape), np.clip(upper, 0, self.shape)
        return Box(tuple(map(int, lower)), tuple(map(int, np.maximum(lower, upper))))


@dataclass(frozen=True)
class Box:
    """Voxels from `lower` up to, not including, `upper`, both `(D, H, W)`."""

    lower: tuple[int, int, int]
    upper: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        return tuple(last - first for first, last in zip(self.lower, self.upper, strict=True))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Slices that cut the box out of an array `(D, H, W)`."""
        return tuple(slice(first, last) for first, last in zip(self.lower, self.upper, strict=True))

    @property
    def empty(self) -> bool:
        """Whether it holds no voxel."""
        return 0 in self.shape

    def rows(self, first: int, last: int) -> Box:
        """Rows `first` up to, not including, `last` along the first axis, counted within the box."""
        return Box((self.lower[0] + first, *self.lower[1:]), (self.lower[0] + last, *self.upper[1:]))

    def grown_to(self, minimum: tuple[int, ...], shape: tuple[int, ...]) -> Box:
        """Smallest box around this one with at least `minimum` voxels, within a grid of `shape`."""
        lower, upper = [], []
        for first, last, least, size in zip(self.lower, self.upper, minimum, shape, strict=True):
            length = min(size, max(last - first, least))
            start = min(max(0, first - (length - (last - first)) // 2), size - length)
            lower.append(start)
            upper.append(start + length)
        return Box(tuple(lower), tuple(upper))


@dataclass(frozen=True)
class Roi:
    """Box along the axes of the patient (mm) or of the image (voxels).

    Attributes
    ----------
    bounds : tuple of float
        `x0, x1, y0, y1, z0, z1`. In "ras": mm towards right, anterior and superior; a voxel belongs to the
        ROI if its center does. In "index": voxels along the axes of the file, from x0 up to, not including,
        x1.
    space : str
        "ras" or "index".
    """

    bounds: tuple[float, float, float, float, float, float]
    space: str = "ras"

    def __post_init__(self) -> None:
        if self.space not in ("ras", "index"):
            raise OptionError(f"ROI in '{self.space}' is not known; use ras or index")
        if len(self.bounds) != 6 or not all(math.isfinite(bound) for bound in self.bounds):
            raise OptionError(f"ROI '{self}' is not valid; give six numbers x0,x1,y0,y1,z0,z1")
        if any(low >= high for low, high in zip(self.bounds[::2], self.bounds[1::2], strict=True)):
            raise OptionError(f"ROI '{self}' is empty; each lower bound must be below its upper bound")
        if self.space == "index" and any(bound != int(bound) for bound in self.bounds):
            raise OptionError(f"ROI '{self}' is not valid; voxel indices are whole numbers")

    def __str__(self) -> str:
        prefix = INDEX_PREFIX if self.space == "index" else ""
        return prefix + ",".join(f"{bound:g}" for bound in self.bounds)

    @classmethod
    def parse(cls, text: str) -> Roi:
        """ROI from `x0,x1,y0,y1,z0,z1` in RAS mm, or from `index:x0,x1,y0,y1,z0,z1` in voxels.

        Raises
        ------
        OptionError
            The text is not six numbers in order.
        """
        space = "index" if text.startswith(INDEX_PREFIX) else "ras"
        try:
            bounds = tuple(float(number) for number in text.removeprefix(INDEX_PREFIX).split(","))
        except ValueError as error:
            raise OptionError(f"ROI '{text}' is not valid; give six numbers x0,x1,y0,y1,z0,z1") from error
        return cls(bounds, space)

    def box(self, grid: Grid) -> Box:
        """Smallest box on the image's grid that holds the ROI, clipped to the image.

        Raises
        ------
        OptionError
            No voxel of the image lies in the ROI.
        """
        box = self._clipped_box(grid)
        rows = (box.rows(row, row + 1) for row in range(box.shape[0]))
        if box.empty or not any(self.inside(grid, row).any() for row in rows):
            raise OptionError(f"ROI '{self}' holds no voxel of the image, which covers {self._extent(grid)}")
        return box

    def inside(self, grid: Grid, box: Box) -> np.ndarray:
        """Whether each voxel of a box lies in the ROI, bool `(D, H, W)`: not all do on an oblique grid."""
        axes = [np.arange(first, last) for first, last in zip(box.lower, box.upper, strict=True)]
        z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
        inside = np.ones(box.shape, dtype=bool)
        for axis, (low, high) in enumerate(zip(self.bounds[::2], self.bounds[1::2], strict=True)):
            if self.space == "index":
                position = (x, y, z)[axis]
                inside &= (position >= low) & (position < high)
            else:
                steps = grid.steps[axis] * LPS_FROM_RAS[axis]
                position = grid.origin[axis] * LPS_FROM_RAS[axis] + x * steps[0] + y * steps[1] + z * steps[2]
                inside &= (position >= low) & (position <= high)
        return inside

    def _clipped_box(self, grid: Grid) -> Box:
        if self.space == "index":
            lower = np.clip(np.array(self.bounds[4::-2], dtype=int), 0, grid.shape)
            upper = np.clip(np.array(self.bounds[5::-2], dtype=int), 0, grid.shape)
            return Box(tuple(map(int, lower)), tuple(map(int, upper)))
        ranges = zip(self.bounds[::2], self.bounds[1::2], strict=True)
        return grid.box_around(np.array(list(itertools.product(*ranges))) * LPS_FROM_RAS)

    def _extent(self, grid: Grid) -> str:
        """Extent of the image, in the units of the ROI."""
        if self.space == "index":
            return ",".join(f"0,{size}" for size in reversed(grid.shape)) + " voxels"
        corners = grid.corners() * LPS_FROM_RAS
        ranges = zip(corners.min(axis=0), corners.max(axis=0), strict=True)
        return ",".join(f"{low:.1f},{high:.1f}" for low, high in ranges) + " mm (RAS)"
