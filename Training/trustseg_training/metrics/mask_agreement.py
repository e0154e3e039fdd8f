"""Agreement of a mask with the truth: Dice, IoU, HD95, surface Dice and volumes of one structure.

Empty structures: two empty masks agree fully (Dice and IoU 1, no over- or under-segmentation); if only one is
empty, Dice and IoU are 0. A surface distance needs two surfaces: it is None otherwise, and a summary says how
many patients it leaves out. Surface Dice is a share, not a distance: 1 and 0, as Dice. The distances between
two surfaces are measured once for all measures that are computed from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from TrustSegLib.uncertainty.bounding_box import bounding_box

PERCENTILE = 95

#: A surface Dice means nothing without its tolerance: state it beside every value.
SURFACE_TOLERANCE_MM = 1.0


@dataclass(frozen=True)
class Agreement:
    """A mask against the truth.

    Attributes
    ----------
    dice, iou : float
        In [0, 1].
    hd95_mm : float or None
        95th percentile of the surface distances, the larger direction.
    over_segmentation, under_segmentation : float
        ``|P \\ G| / |P u G|`` and ``|G \\ P| / |P u G|``; 1 - IoU is their sum.
    volume_ml, true_volume_ml : float
        Of prediction and truth.
    volume_error_ml : float
        Prediction less truth.
    volume_bias : float or None
        The error relative to the truth, with its sign: positive where the mask is too large. None without a
        true voxel.
    """

    dice: float
    iou: float
    hd95_mm: float | None
    over_segmentation: float
    under_segmentation: float
    volume_ml: float
    true_volume_ml: float
    volume_error_ml: float
    volume_bias: float | None


def agreement(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, float, float],
    surfaces: SurfaceDistances | None = None,
) -> Agreement:
    """Every measure of two masks.

    Parameters
    ----------
    prediction, truth : np.ndarray
        bool (D, H, W).
    spacing : tuple of float
        (x, y, z) mm.
    surfaces : SurfaceDistances, optional
        Of these masks, if already computed.
    """
    surfaces = surfaces or surface_distances(prediction, truth, spacing)
    union = max(int((prediction | truth).sum()), 1)
    milliliters = float(np.prod(spacing)) / 1000
    volumes = [float(mask.sum()) * milliliters for mask in (prediction, truth)]
    return Agreement(
        dice=dice(prediction, truth),
        iou=iou(prediction, truth),
        hd95_mm=None if surfaces is None else surfaces.hd95_mm,
        over_segmentation=int((prediction & ~truth).sum()) / union,
        under_segmentation=int((truth & ~prediction).sum()) / union,
        volume_ml=volumes[0],
        true_volume_ml=volumes[1],
        volume_error_ml=volumes[0] - volumes[1],
        volume_bias=volumes[0] / volumes[1] - 1 if volumes[1] else None,
    )


def dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Dice of two masks (D, H, W); two empty masks agree: 1."""
    sizes = np.count_nonzero(prediction) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(prediction & truth) / sizes if sizes else 1.0


def iou(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks (D, H, W); two empty masks agree: 1."""
    union = np.count_nonzero(prediction | truth)
    return np.count_nonzero(prediction & truth) / union if union else 1.0


def hd95(prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]) -> float | None:
    """95th percentile of the surface distances in mm (the larger direction); ``spacing`` is (x, y, z) mm."""
    surfaces = surface_distances(prediction, truth, spacing)
    return None if surfaces is None else surfaces.hd95_mm


def surface_dice(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, float, float],
    tolerance_mm: float = SURFACE_TOLERANCE_MM,
    surfaces: SurfaceDistances | None = None,
) -> float:
    """Share of both surfaces' voxels that lie within a tolerance of the other surface.

    The surface is the mask's border voxels, each counted once, as for `hd95`; packages that weigh pieces of a
    triangulated surface by their area have other values.

    Parameters
    ----------
    prediction, truth : np.ndarray
        bool (D, H, W).
    spacing : tuple of float
        (x, y, z) mm.
    tolerance_mm : float
        A distance up to this one is no error.
    surfaces : SurfaceDistances, optional
        Of these masks, if already computed.

    References
    ----------
    Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", JMIR 2021.
    """
    surfaces = surfaces or surface_distances(prediction, truth, spacing)
    if surfaces is None:
        return float(prediction.any() == truth.any())
    return surfaces.share_within(tolerance_mm)


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
