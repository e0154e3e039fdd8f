"""Dice when the most uncertain voxels are set aside for a person to review: Delta-DSC and QU-BraTS.

Delta-DSC sets aside a share of the voxels *near the prediction*: those in, or within `neighborhood.MARGIN`
voxels of, any predicted structure. The truth is unknown when a model is used, so it plays no part in the
choice; and a share of the whole image would depend on how much air surrounds the patient. A voxel that is set
aside is left out of both masks: it no longer counts as right or wrong. One set of voxels is set aside per
image, and every structure is measured on the rest. If nothing was predicted, nothing is set aside.

The QU-BraTS score filters at every threshold and penalizes filtering of right voxels.

References
----------
Mehta et al., "QU-BraTS: MICCAI BraTS 2020 challenge on quantifying uncertainty in brain tumor segmentation",
MELBA 2022:026, arXiv 2112.10074.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

from .mask_agreement import dice

#: Shares of the voxels near the prediction that are set aside for Delta-DSC.
FRACTIONS = (0.01, 0.02, 0.05, 0.10)

#: Steps of the challenge's evaluation code.
THRESHOLDS = np.linspace(0, 1, 41)

#: An entropy over ln K may come out just above 1.
ROUNDING = 1e-6


@dataclass(frozen=True)
class DeltaDice:
    """Dice of a structure before and after voxels are set aside.

    Attributes
    ----------
    before : float
        On all voxels.
    after : float or None
        On the remaining voxels; None if both masks become empty although one was not, which would otherwise
        count as perfect agreement.
    delta : float or None
        ``after - before``.
    """

    before: float
    after: float | None
    delta: float | None


def removal_threshold(uncertainty: np.ndarray, fraction: float) -> float:
    """Lowest threshold that at most a fraction of the voxels exceeds.

    With ties fewer voxels exceed it: a constant map sets nothing aside.

    Parameters
    ----------
    uncertainty : np.ndarray
        (N,) near the predictions: of one image, or of all validation images together for a threshold that is
        fixed before testing.
    fraction : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        There are no voxels, the fraction is out of range, or an uncertainty is not finite.
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
    """Voxels of the band above a threshold that was fixed elsewhere, such as on validation images.

    Parameters
    ----------
    uncertainty : np.ndarray
        (D, H, W).
    band : np.ndarray
        bool (D, H, W), the voxels near the prediction, see `neighborhood.within`.
    threshold : float
        See `removal_threshold`.

    Returns
    -------
    np.ndarray
        bool (D, H, W), the voxels that are set aside.
    """
    return band & (uncertainty > threshold)


def most_uncertain(uncertainty: np.ndarray, band: np.ndarray, fraction: float) -> np.ndarray:
    """The most uncertain fraction of the band's voxels, by the image's own threshold.

    Parameters
    ----------
    uncertainty : np.ndarray
        (D, H, W).
    band : np.ndarray
        bool (D, H, W), the voxels near the prediction; nothing is chosen from an empty band.
    fraction : float
        Between 0 and 1.

    Returns
    -------
    np.ndarray
        bool (D, H, W), the voxels that are set aside.
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


@dataclass(frozen=True)
class FilteringCurves:
    """Dice of the remaining voxels and filtered shares at every threshold t: voxels above t are filtered.

    Attributes
    ----------
    thresholds : np.ndarray
        (T,) rising from 0 to 1, the challenge's 0 to 100.
    dice : np.ndarray
        (T,) Dice of the remaining voxels; 1 where both masks are empty, as in the challenge: the other two
        curves penalize filtering everything.
    filtered_true_positives, filtered_true_negatives : np.ndarray
        (T,) share of the true-positive and true-negative voxels that is filtered:
        ``(TP_1 - TP_t) / TP_1``; 0 where there are none.
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

    The score depends on the scale of the uncertainty, not only on its order: divide every map by its largest
    possible value (entropy by ln K, a variance by 1/4, an error probability by 1 - 1/K), never by the image's
    own range.

    Parameters
    ----------
    prediction, truth : np.ndarray
        bool (D, H, W).
    uncertainty : np.ndarray
        (D, H, W), in [0, 1].
    region : np.ndarray, optional
        bool (D, H, W), the voxels that are evaluated, such as the brain; by default the whole image, where
        more air makes the share of filtered background smaller.
    thresholds : np.ndarray
        (T,) rising, the first 0 and the last 1.

    Raises
    ------
    ValueError
        The uncertainty leaves [0, 1] or is NaN, or the thresholds do not span [0, 1].
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
    """Number of voxels that remain at each threshold; the last threshold, 1, keeps all."""
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
