"""Where the voxels of a volume lie in the patient, without their values."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxel grid; its points are `origin + steps @ index`, index as (x, y, z), in LPS mm.

    Attributes
    ----------
    shape : tuple of int
        `(D, H, W)`, that is z, y, x.
    origin : np.ndarray
        `(3,)` center of the first voxel.
    steps : np.ndarray
        `(3, 3)`; column i is the way to the next voxel along x, y, z.
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
        """Voxel size `(3,)` along x, y, z, mm."""
        return np.linalg.norm(self.steps, axis=0)

    @property
    def direction(self) -> np.ndarray:
        """Cosines of the axes `(3, 3)`; column i is where x, y, z points."""
        return self.steps / self.spacing

    def points(self, indices: np.ndarray) -> np.ndarray:
        """LPS mm `(N, 3)` of indices `(N, 3)` in (x, y, z), which may be fractions."""
        return self.origin + indices @ self.steps.T

    def indices(self, points: np.ndarray) -> np.ndarray:
        """Fractional indices `(N, 3)` in (x, y, z) of LPS points `(N, 3)`."""
        return np.linalg.solve(self.steps, (points - self.origin).T).T

    def crop(self, box: Box) -> Grid:
        """Grid of the voxels in a box."""
        lower = np.array(box.lower[::-1], dtype=float)
        return Grid(box.shape, self.points(lower[None])[0], self.steps)

    def corners(self) -> np.ndarray:
        """LPS mm `(8, 3)` of the outer corners, half a voxel beyond the centers."""
        ends = [(-0.5, size - 0.5) for size in reversed(self.shape)]
        return self.points(np.array(list(itertools.product(*ends))))

    def box_around(self, points: np.ndarray, margin: tuple[int, ...] = (0, 0, 0)) -> Box:
        """Box of all voxels that the box around LPS points touches, clipped to the grid; may be empty.

        Parameters
        ----------
        points : np.ndarray
            `(N, 3)` LPS mm.
        margin : tuple of int
            Voxels to add on either side, `(D, H, W)`.
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
        """Whether there is no voxel in it."""
        return 0 in self.shape

    def rows(self, first: int, last: int) -> Box:
        """Rows `first` up to, not including, `last` of the box along its first axis; its own first is 0."""
        return Box((self.lower[0] + first, *self.lower[1:]), (self.lower[0] + last, *self.upper[1:]))

    def grown_to(self, minimum: tuple[int, ...], shape: tuple[int, ...]) -> Box:
        """Smallest box around this one with at least `minimum` voxels, as far as `shape` has them."""
        lower, upper = [], []
        for first, last, least, size in zip(self.lower, self.upper, minimum, shape, strict=True):
            length = min(size, max(last - first, least))
            start = min(max(0, first - (length - (last - first)) // 2), size - length)
            lower.append(start)
            upper.append(start + length)
        return Box(tuple(lower), tuple(upper))
