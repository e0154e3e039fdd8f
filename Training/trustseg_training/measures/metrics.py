"""How well a mask agrees with the truth: one structure of one patient at a time.

Empty structures: two empty masks agree fully (Dice and IoU 1, no over- or under-segmentation); if one is
empty, Dice and IoU are 0. A surface distance needs two surfaces: it is None otherwise, and a summary says how
many patients it leaves out. Surface Dice is a share, not a distance: 1 and 0 as Dice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .surfaces import SurfaceDistances, surface_distances

#: A surface Dice says nothing without its tolerance: name it beside every value.
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
    """

    dice: float
    iou: float
    hd95_mm: float | None
    over_segmentation: float
    under_segmentation: float
    volume_ml: float
    true_volume_ml: float
    volume_error_ml: float


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
        Of these masks, if they are known already.
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
        Of these masks, if they are known already.

    References
    ----------
    Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", JMIR 2021.
    """
    surfaces = surfaces or surface_distances(prediction, truth, spacing)
    if surfaces is None:
        return float(prediction.any() == truth.any())
    return surfaces.share_within(tolerance_mm)
