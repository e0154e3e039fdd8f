"""Raw scores of each structure: a calibration makes an interval and an expected Dice coefficient of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from TrustSegLib.uncertainty.moment_sums import MomentSums
from TrustSegLib.uncertainty.surroundings import surroundings

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume


@dataclass(frozen=True)
class StructureScores:
    r"""Raw, uncalibrated scores of one structure.

    Below, :math:`p` is the structure's probability, :math:`s` its standard deviation, :math:`M` its mask.

    Attributes
    ----------
    label : int
        Value of its voxels in the mask.
    volume_ml : float
        Of the mask.
    expected_volume_ml : float
        :math:`\sum p` over the image.
    volume_spread_ml : float
        One standard deviation of the volume, the sum of two parts that are both taken as fully correlated
        over the voxels: half the difference of the volumes of the masks :math:`p + z s` at
        :math:`z = \pm 1` (the weights), and half the difference of the volumes where :math:`p` is above
        .159 and .841 (the labels: one uniform number for all voxels, one standard deviation to either side).
    expected_dice : float
        :math:`2 \sum_M p / (|M| + \sum p)`; 0 for an empty mask.
    sampled_dice : float
        Mean Dice coefficient of the mask and the masks :math:`p + z s`, one z for the whole image, at fixed
        quantiles of the normal distribution; 0 for an empty mask.
    boundary_uncertainty : float
        Sum of the raw error probability within 3 voxels of the mask, per voxel of its surface; 0 for an
        empty mask.
    mean_error : float
        Mean of the raw error probability within 3 voxels of the mask; 0 for an empty mask.

    Notes
    -----
    As :math:`p` is raised or lowered, the other classes give way in proportion, so that they sum to 1.
    """

    label: int
    volume_ml: float
    expected_volume_ml: float
    volume_spread_ml: float
    expected_dice: float
    sampled_dice: float
    boundary_uncertainty: float
    mean_error: float


FEATURES = tuple(name for name in StructureScores.__dataclass_fields__ if name != "label")
"""Scores that a calibration may use."""


class ScoreSums:
    """Gathers the scores while the class moments of an image come by, a few rows at a time.

    Parameters
    ----------
    labels : sequence of int
        Of the structures, in the order of their scores.
    """

    def __init__(self, labels: Sequence[int]) -> None:
        self._sums = {label: MomentSums(label) for label in labels}

    def add(
        self, mean: np.ndarray, variance: np.ndarray, mask: np.ndarray, inside: np.ndarray | None = None
    ) -> None:
        """Add some rows of the image; the order and number of rows do not matter.

        Parameters
        ----------
        mean, variance : ndarray (K, D, H, W)
            Class moments of these rows.
        mask : ndarray of integer (D, H, W)
            Label of each voxel.
        inside : ndarray of bool (D, H, W), optional
            Voxels that are segmented; all if None.
        """
        best, second = _two_largest(mean)
        for label, sums in self._sums.items():
            own = mask == label
            rival = np.where(own, second, best)
            sums.add(mean[label], variance[label], rival, own, len(mean), inside)

    def scores(self, labels: Volume, error: Volume) -> tuple[StructureScores, ...]:
        """Return the scores of all structures.

        Parameters
        ----------
        labels : Volume
            The whole mask `(1, D, H, W)`.
        error : Volume
            Raw error probability `(1, D, H, W)` on the same grid.
        """
        return tuple(_scores(label, sums, labels, error.array[0]) for label, sums in self._sums.items())


def _scores(label: int, sums: MomentSums, labels: Volume, error: np.ndarray) -> StructureScores:
    around = surroundings(labels.array[0], label, error)
    voxel = labels.voxel_volume_ml
    return StructureScores(
        label=label,
        volume_ml=sums.voxels * voxel,
        expected_volume_ml=sums.expected_voxels * voxel,
        volume_spread_ml=sums.spread_voxels * voxel,
        expected_dice=sums.expected_dice,
        sampled_dice=sums.sampled_dice,
        boundary_uncertainty=around.error_sum / around.surface_voxels if around.surface_voxels else 0.0,
        mean_error=around.error_sum / around.voxels if around.voxels else 0.0,
    )


def _two_largest(mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest and the second largest probability of each voxel, `(D, H, W)`."""
    best, second = np.maximum(mean[0], mean[1]), np.minimum(mean[0], mean[1])
    for values in mean[2:]:
        np.maximum(second, np.minimum(best, values), out=second)
        np.maximum(best, values, out=best)
    return best, second
