"""How well a mask agrees with the truth: one structure of one patient at a time.

Empty structures: two empty masks agree fully (Dice and IoU 1, no over- or under-segmentation); if one is
empty, Dice and IoU are 0. A surface distance needs two surfaces: it is None otherwise, and a summary says how
many patients it leaves out. Surface Dice is a share, not a distance: 1 and 0 as Dice.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_iou, compute_surface_dice

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


def agreement(prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]) -> Agreement:
    """Every measure of two masks.

    Parameters
    ----------
    prediction, truth : np.ndarray
        bool (D, H, W).
    spacing : tuple of float
        (x, y, z) mm.
    """
    union = max(int((prediction | truth).sum()), 1)
    milliliters = float(np.prod(spacing)) / 1000
    volumes = [float(mask.sum()) * milliliters for mask in (prediction, truth)]
    return Agreement(
        dice=dice(prediction, truth),
        iou=iou(prediction, truth),
        hd95_mm=hd95(prediction, truth, spacing),
        over_segmentation=int((prediction & ~truth).sum()) / union,
        under_segmentation=int((truth & ~prediction).sum()) / union,
        volume_ml=volumes[0],
        true_volume_ml=volumes[1],
        volume_error_ml=volumes[0] - volumes[1],
    )


def dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Dice of two masks (D, H, W); two empty masks agree: 1."""
    return float(compute_dice(*_batches(prediction, truth), ignore_empty=False))


def iou(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks (D, H, W); two empty masks agree: 1."""
    if not prediction.any() and not truth.any():
        return 1.0
    return float(compute_iou(*_batches(prediction, truth), ignore_empty=False))


def hd95(prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]) -> float | None:
    """95th percentile of the surface distances in mm (the larger direction); ``spacing`` is (x, y, z) mm."""
    if not prediction.any() or not truth.any():
        return None
    masks, steps = _batches(prediction, truth), list(spacing[::-1])
    with warnings.catch_warnings():
        # MONAI 1.6 warns of an argument that it passes to itself.
        warnings.filterwarnings("ignore", category=FutureWarning, module="monai")
        distance = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=steps)
    return float(distance)


def surface_dice(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, float, float],
    tolerance_mm: float = SURFACE_TOLERANCE_MM,
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

    References
    ----------
    Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", JMIR 2021.
    """
    if not prediction.any() or not truth.any():
        return float(prediction.any() == truth.any())
    # MONAI refuses a mixture of int and float.
    masks, steps = _batches(prediction, truth), [float(step) for step in spacing[::-1]]
    with warnings.catch_warnings():
        # MONAI 1.6 warns of an argument that it passes to itself.
        warnings.filterwarnings("ignore", category=FutureWarning, module="monai")
        share = compute_surface_dice(*masks, [tolerance_mm], include_background=True, spacing=steps)
    return float(share)


def _batches(*masks: np.ndarray) -> list[torch.Tensor]:
    """Masks (D, H, W) as MONAI takes them, (1, 1, D, H, W)."""
    return [torch.from_numpy(mask)[None, None].float() for mask in masks]
