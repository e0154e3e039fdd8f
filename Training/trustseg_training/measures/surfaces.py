"""Distances between the surfaces of two masks, measured once for all that is read from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from .boxes import bounding_box

PERCENTILE = 95


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """How far each border voxel of one mask is from the other mask's surface.

    A border voxel belongs to the mask and touches, by a face, a voxel outside of it; beyond the image is
    outside.

    Attributes
    ----------
    of_prediction, of_truth : np.ndarray
        (n,) and (m,) float32 mm; both masks have voxels.
    """

    of_prediction: np.ndarray
    of_truth: np.ndarray

    @property
    def hd95_mm(self) -> float:
        """95th percentile, of the direction in which it is larger."""
        ways = (self.of_prediction, self.of_truth)
        return max(float(np.percentile(way, PERCENTILE)) for way in ways)

    def share_within(self, tolerance_mm: float) -> float:
        """Share of both surfaces' voxels that lie within a tolerance of the other surface."""
        together = np.concatenate([self.of_prediction, self.of_truth])
        return float((together <= tolerance_mm).mean())


def surface_distances(
    prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]
) -> SurfaceDistances | None:
    """Distances between two surfaces; None unless both masks have voxels.

    Parameters
    ----------
    prediction, truth : np.ndarray
        bool (D, H, W).
    spacing : tuple of float
        (x, y, z) mm.
    """
    if not prediction.any() or not truth.any():
        return None
    box = bounding_box(prediction | truth)
    of_prediction, of_truth = (_border(mask[box]) * spacing[::-1] for mask in (prediction, truth))
    return SurfaceDistances(_nearest(of_prediction, of_truth), _nearest(of_truth, of_prediction))


def _border(mask: np.ndarray) -> np.ndarray:
    """Indices (n, 3) of the border voxels."""
    return np.argwhere(mask & ~binary_erosion(mask))


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    # Single precision, so that 10 voxels of 0.1 mm are not farther than 1 mm.
    return cKDTree(others).query(points)[0].astype(np.float32)
