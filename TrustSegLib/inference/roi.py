"""Region of interest: the part of the image that is segmented."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from TrustSegLib.errors import OptionError
from TrustSegLib.inference.grid import Box, Grid

LPS_FROM_RAS = np.array([-1.0, -1.0, 1.0])
INDEX_PREFIX = "index:"


@dataclass(frozen=True)
class Roi:
    """Box along the axes of the patient (mm) or of the image (voxels).

    Attributes
    ----------
    bounds : tuple of float
        `x0, x1, y0, y1, z0, z1`. As "ras": mm towards right, anterior, superior; a voxel belongs to the ROI
        when its center does. As "index": voxels of the file along its own axes, from x0 up to, not
        including, x1.
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
            When the text is not six numbers in order.
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
            When no voxel of the image lies in the ROI.
        """
        box = self._clipped_box(grid)
        rows = (box.rows(row, row + 1) for row in range(box.shape[0]))
        if box.empty or not any(self.inside(grid, row).any() for row in rows):
            raise OptionError(f"ROI '{self}' holds no voxel of the image, which covers {self._extent(grid)}")
        return box

    def inside(self, grid: Grid, box: Box) -> np.ndarray:
        """Which voxels of a box lie in the ROI, bool `(D, H, W)`: on an oblique grid not all of them do."""
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
        """What the image covers, in the units of the ROI."""
        if self.space == "index":
            return ",".join(f"0,{size}" for size in reversed(grid.shape)) + " voxels"
        corners = grid.corners() * LPS_FROM_RAS
        ranges = zip(corners.min(axis=0), corners.max(axis=0), strict=True)
        return ",".join(f"{low:.1f},{high:.1f}" for low, high in ranges) + " mm (RAS)"
