"""Planes and field of view of a picture, and outlines along the voxel edges.

Everything here works on arrays whose axes point (inferior, posterior, left) = array index (z, y, x) of a
volume oriented "LPI". Taking a slice of such an array gives the radiological view without any flip: the
patient's right on the left, anterior up on the axial slice, superior up on the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from TrustSegLib.uncertainty.bounding_box import bounding_box, with_margin

DISPLAY_ORIENTATION = "LPI"
MARGINS_MM = (20.0, 30.0)
"""Least and most anatomy shown around the structures, so that a reader can locate them in the body."""
MARGIN_SHARE = 0.6
"""Margin on each side as a share of the structures' extent, between these."""

OUTLINE_INSET = 0.08
"""Distance, in voxels, of an outline from the edge of its structure: those of two that touch stay visible."""


@dataclass(frozen=True)
class Plane:
    """One of the three slice planes of an "LPI" array.

    Attributes
    ----------
    name : str
        Name for people.
    axis : int
        The array axis that is cut.
    left, right, top, bottom : str
        Letters of the body's directions at the borders of the slice.
    positive, negative : str
        Letters of the plane's own position, in RAS: `positive` where the coordinate is above zero.
    """

    name: str
    axis: int
    left: str
    right: str
    top: str
    bottom: str
    positive: str
    negative: str

    def slice(self, array: np.ndarray, index: tuple[int, int, int]) -> np.ndarray:
        """Cut a (D, H, W) array through `index`; returns (rows, columns)."""
        return np.take(array, index[self.axis], axis=self.axis)

    def extent(self, lengths: tuple[float, float, float]) -> tuple[float, float]:
        """Pick (rows, columns) of three values given for (z, y, x)."""
        rows, columns = (value for axis, value in enumerate(lengths) if axis != self.axis)
        return rows, columns

    def position(self, point_ras: np.ndarray) -> str:
        """Position of the plane in words, for example "S 12.0 mm"."""
        coordinate = float(point_ras[2 - self.axis])
        letter = self.positive if coordinate >= 0 else self.negative
        return f"{letter} {abs(coordinate):.1f} mm"


PLANES = (
    Plane("Axial", 0, left="R", right="L", top="A", bottom="P", positive="S", negative="I"),
    Plane("Coronal", 1, left="R", right="L", top="S", bottom="I", positive="A", negative="P"),
    Plane("Sagittal", 2, left="A", right="P", top="S", bottom="I", positive="R", negative="L"),
)


def center_index(mask: np.ndarray) -> tuple[int, int, int]:
    """Find the voxel whose three planes show the structures.

    The centroid of the mask, axis by axis; where the plane through the centroid misses the mask (two
    structures with a gap between them), the plane with most of the mask. An empty mask gives the center
    of the image.

    Parameters
    ----------
    mask : np.ndarray
        (D, H, W) bool.

    Returns
    -------
    tuple of int
        Index (z, y, x).
    """
    if not mask.any():
        return tuple(size // 2 for size in mask.shape)
    return tuple(_central_plane(_area_per_plane(mask, axis)) for axis in range(3))


def field_of_view(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[slice, slice, slice]:
    """Choose the part of the volume to show: the structures with anatomy around them.

    A small structure in a large scan would otherwise be a few pixels of the picture.

    Parameters
    ----------
    mask : np.ndarray
        (D, H, W) bool.
    spacing : tuple of float
        (z, y, x) in mm.

    Returns
    -------
    tuple of slice
        One per axis; the whole volume where the mask is empty.
    """
    box = bounding_box(mask)
    if box is None:
        return tuple(slice(0, size) for size in mask.shape)
    longest_mm = max((side.stop - side.start) * step for side, step in zip(box, spacing, strict=True))
    least, most = MARGINS_MM
    margin_mm = min(most, max(least, MARGIN_SHARE * longest_mm))
    return with_margin(box, tuple(math.ceil(margin_mm / step) for step in spacing), mask.shape)


def outline(mask: np.ndarray, inset: float = 0.0) -> np.ndarray:
    """Trace a mask along its voxel edges.

    Parameters
    ----------
    mask : np.ndarray
        (rows, columns) bool.
    inset : float
        How far inside the mask the line runs, in voxels, so that the outlines of two structures that
        touch are both seen.

    Returns
    -------
    np.ndarray
        (N, 2, 2) line segments: start and end as (column, row); the center of a voxel has whole numbers.
    """
    padded = np.pad(mask.astype(bool), 1)
    inside = padded[1:-1, 1:-1]
    half = 0.5 - inset
    parts = [
        _edges(inside & ~padded[:-2, 1:-1], (-0.5, -half), (0.5, -half)),
        _edges(inside & ~padded[2:, 1:-1], (-0.5, half), (0.5, half)),
        _edges(inside & ~padded[1:-1, :-2], (-half, -0.5), (-half, 0.5)),
        _edges(inside & ~padded[1:-1, 2:], (half, -0.5), (half, 0.5)),
    ]
    return np.concatenate(parts)


def _edges(voxels: np.ndarray, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    centers = np.argwhere(voxels)[:, ::-1].astype(float)
    return np.stack([centers + start, centers + end], axis=1)


def _area_per_plane(mask: np.ndarray, axis: int) -> np.ndarray:
    return mask.sum(axis=tuple(other for other in range(3) if other != axis))


def _central_plane(areas: np.ndarray) -> int:
    centroid = round(float(np.average(np.arange(len(areas)), weights=areas)))
    return centroid if areas[centroid] else int(areas.argmax())
