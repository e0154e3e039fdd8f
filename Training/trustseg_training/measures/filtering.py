"""What is left when the most uncertain voxels are set aside for a person to look at.

Delta-DSC sets aside a share of the voxels *near the prediction*: of those within `MARGIN` voxels of a
predicted structure, or in one. The truth is not known when a model is used, so that it has no part in the
choice; and a share of the whole image would say how much air there is around the patient. A voxel that is set
aside is left out of both masks: it is neither right nor wrong any more. One set of voxels is set aside per
image, and every structure is measured on what is left. If nothing was predicted, nothing is set aside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .boxes import within
from .metrics import dice

#: Voxels from a predicted structure that count as near it.
MARGIN = 3

#: Shares of the voxels near the prediction that are set aside.
FRACTIONS = (0.01, 0.02, 0.05, 0.10)


@dataclass(frozen=True)
class DeltaDice:
    """Dice of a structure before and after voxels are set aside.

    Attributes
    ----------
    before : float
        On all voxels.
    after : float or None
        On the voxels that are left; None if nothing of a structure that was there is left in either mask,
        which would otherwise count as two empty masks that agree.
    delta : float or None
        ``after - before``.
    """

    before: float
    after: float | None
    delta: float | None


def prediction_band(foreground: np.ndarray) -> np.ndarray:
    """Voxels in, or within `MARGIN` voxels of, any predicted structure.

    Parameters
    ----------
    foreground : np.ndarray
        bool (D, H, W), all predicted structures together.
    """
    return within(foreground, MARGIN)


def removal_threshold(uncertainty: np.ndarray, fraction: float) -> float:
    """Uncertainty above which at most a fraction of the voxels lies: as many as possible, but not more.

    With ties it can be fewer: a map of one value sets nothing aside.

    Parameters
    ----------
    uncertainty : np.ndarray
        (N,) near the predictions, of one image, or of all validation images together for a threshold that is
        fixed before the test.
    fraction : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        There is no voxel, or no such fraction, or an uncertainty is not a number.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"a fraction of voxels is between 0 and 1, not {fraction}")
    if uncertainty.ndim != 1 or len(uncertainty) == 0:
        raise ValueError(f"uncertainties (N,) of at least one voxel are needed, not {uncertainty.shape}")
    if not np.isfinite(uncertainty).all():
        raise ValueError("an uncertainty is not a finite number")
    # 0.29 * 100 is 28.999999999999996.
    place = len(uncertainty) - 1 - int(fraction * len(uncertainty) + 1e-9)
    return float(np.partition(uncertainty, place)[place])


def above_threshold(uncertainty: np.ndarray, band: np.ndarray, threshold: float) -> np.ndarray:
    """Voxels of the band that are more uncertain than a threshold from elsewhere, such as validation.

    Parameters
    ----------
    uncertainty : np.ndarray
        (D, H, W).
    band : np.ndarray
        bool (D, H, W), see `prediction_band`.
    threshold : float
        See `removal_threshold`.

    Returns
    -------
    np.ndarray
        bool (D, H, W), what is set aside.
    """
    return band & (uncertainty > threshold)


def most_uncertain(uncertainty: np.ndarray, band: np.ndarray, fraction: float) -> np.ndarray:
    """The most uncertain fraction of the band's voxels, by the image's own threshold.

    Parameters
    ----------
    uncertainty : np.ndarray
        (D, H, W).
    band : np.ndarray
        bool (D, H, W), see `prediction_band`; nothing is chosen from an empty one.
    fraction : float
        Between 0 and 1.

    Returns
    -------
    np.ndarray
        bool (D, H, W), what is set aside.
    """
    if not band.any():
        return np.zeros_like(band)
    return above_threshold(uncertainty, band, removal_threshold(uncertainty[band], fraction))


def delta_dice(prediction: np.ndarray, truth: np.ndarray, removed: np.ndarray) -> DeltaDice:
    """Dice of one structure before and after voxels are left out of both masks.

    Parameters
    ----------
    prediction, truth : np.ndarray
        bool (D, H, W), one structure.
    removed : np.ndarray
        bool (D, H, W), see `most_uncertain` and `above_threshold`.
    """
    before, left = dice(prediction, truth), (prediction & ~removed, truth & ~removed)
    was_there = prediction.any() or truth.any()
    if was_there and not any(mask.any() for mask in left):
        return DeltaDice(before, None, None)
    after = dice(*left)
    return DeltaDice(before, after, after - before)
