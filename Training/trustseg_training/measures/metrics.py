"""How well a mask agrees with the truth: one structure of one patient at a time.

Empty structures: two empty masks agree fully (Dice and IoU 1, no over- or under-segmentation); if one is
empty, Dice and IoU are 0. A surface distance needs two surfaces: it is None otherwise, and a summary says how
many patients it leaves out.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_iou


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


def _batches(*masks: np.ndarray) -> list[torch.Tensor]:
    """Masks (D, H, W) as MONAI takes them, (1, 1, D, H, W)."""
    return [torch.from_numpy(mask)[None, None].float() for mask in masks]
