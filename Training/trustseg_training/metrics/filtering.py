"""What is left when the most uncertain voxels are set aside for a person to look at: Delta-DSC and QU-BraTS.

Delta-DSC sets aside a share of the voxels *near the prediction*: of those within `MARGIN` voxels of a
predicted structure, or in one. The truth is not known when a model is used, so that it has no part in the
choice; and a share of the whole image would say how much air there is around the patient. A voxel that is set
aside is left out of both masks: it is neither right nor wrong any more. One set of voxels is set aside per
image, and every structure is measured on what is left. If nothing was predicted, nothing is set aside.

The score of the QU-BraTS challenge filters by every threshold, and counts what was filtered for nothing.

References
----------
Mehta et al., "QU-BraTS: MICCAI BraTS 2020 challenge on quantifying uncertainty in brain tumor segmentation",
MELBA 2022:026, arXiv 2112.10074.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

from .mask_agreement import dice, within

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


#: As many steps as the challenge's program takes.
THRESHOLDS = np.linspace(0, 1, 41)

#: An entropy over ln K may come out just above 1.
ROUNDING = 1e-6


@dataclass(frozen=True)
class FilteringCurves:
    """What is left, and what was filtered, at every threshold t: filtered is an uncertainty above t.

    Attributes
    ----------
    thresholds : np.ndarray
        (T,) rising from 0 to 1, the challenge's 0 to 100.
    dice : np.ndarray
        (T,) Dice of the voxels that are left; 1 where nothing of the structure is left in either mask, as in
        the challenge: what stands against filtering everything are the other two curves.
    filtered_true_positives, filtered_true_negatives : np.ndarray
        (T,) share of the right voxels of the structure, and of the background, that is filtered:
        ``(TP_1 - TP_t) / TP_1``; 0 where there is none to filter.
    """

    thresholds: np.ndarray
    dice: np.ndarray
    filtered_true_positives: np.ndarray
    filtered_true_negatives: np.ndarray

    @property
    def areas(self) -> tuple[float, float, float]:
        """Areas under the three curves, in the order of the attributes."""
        curves = (self.dice, self.filtered_true_positives, self.filtered_true_negatives)
        return tuple(float(trapezoid(curve, self.thresholds)) for curve in curves)

    @property
    def score(self) -> float:
        """``(area_dice + (1 - area_ftp) + (1 - area_ftn)) / 3``, in [0, 1]; higher is better."""
        dice, positives, negatives = self.areas
        return (dice + (1 - positives) + (1 - negatives)) / 3


def filtering_curves(
    prediction: np.ndarray,
    truth: np.ndarray,
    uncertainty: np.ndarray,
    region: np.ndarray | None = None,
    thresholds: np.ndarray = THRESHOLDS,
) -> FilteringCurves:
    """QU-BraTS curves of one structure of one patient.

    The score depends on the scale of the uncertainty, not only on its order: scale every map by what it can
    be at most (entropy by ln K, a variance by 1/4, an error probability by 1 - 1/K), never by the image's own
    range.

    Parameters
    ----------
    prediction, truth : np.ndarray
        bool (D, H, W).
    uncertainty : np.ndarray
        (D, H, W), in [0, 1].
    region : np.ndarray, optional
        bool (D, H, W), the voxels that count, such as the brain; without it, the whole image, in which the
        share of filtered background is smaller the more air there is.
    thresholds : np.ndarray
        (T,) rising, the first 0 and the last 1.

    Raises
    ------
    ValueError
        The uncertainty leaves [0, 1] or is not a number, or the thresholds do not span it.
    """
    _check(uncertainty, thresholds)
    uncertainty = np.clip(uncertainty, 0, 1)
    region = np.ones_like(truth) if region is None else region
    true_positive, false_positive, false_negative, true_negative = (
        _kept(uncertainty[region & voxels], thresholds)
        for voxels in (prediction & truth, prediction & ~truth, truth & ~prediction, ~prediction & ~truth)
    )
    sizes = 2 * true_positive + false_positive + false_negative
    return FilteringCurves(
        thresholds=thresholds,
        dice=np.where(sizes > 0, 2 * true_positive / np.maximum(sizes, 1), 1.0),
        filtered_true_positives=_filtered_share(true_positive),
        filtered_true_negatives=_filtered_share(true_negative),
    )


def _kept(uncertainty: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many voxels are left at each threshold; the last one, 1, leaves all."""
    return np.searchsorted(np.sort(uncertainty), thresholds, side="right")


def _filtered_share(kept: np.ndarray) -> np.ndarray:
    return (kept[-1] - kept) / max(kept[-1], 1)


def _check(uncertainty: np.ndarray, thresholds: np.ndarray) -> None:
    # Written so that a NaN is refused too.
    if not (uncertainty.min() >= -ROUNDING and uncertainty.max() <= 1 + ROUNDING):
        raise ValueError(
            f"uncertainty is to be scaled to [0, 1], not {uncertainty.min()} to {uncertainty.max()}"
        )
    if thresholds[0] != 0 or thresholds[-1] != 1 or (np.diff(thresholds) <= 0).any():
        raise ValueError("thresholds are to rise from 0 to 1")
