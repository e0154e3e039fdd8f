"""Raw scores of each structure, from which a calibration predicts volume interval and Dice coefficient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

from TrustSegLib.uncertainty.bounding_box import bounding_box, with_margin

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume

SAMPLES = 20
"""Masks drawn from the class Gaussian."""
QUANTILES = np.array([NormalDist().inv_cdf((index + 0.5) / SAMPLES) for index in range(SAMPLES)])
"""Standard normal numbers z of the masks: the midpoints of equally probable parts, increasing."""
_STEPS = np.sort(np.append(QUANTILES, (-1.0, 1.0)))
_SAMPLED = np.searchsorted(_STEPS, QUANTILES)
_LOW, _HIGH = np.searchsorted(_STEPS, (-1.0, 1.0))
LEVELS = (NormalDist().cdf(-1.0), NormalDist().cdf(1.0))
"""Probabilities one standard deviation below and above the median of a common uniform number."""
MARGIN = 3
"""Distance from a mask, in voxels, up to which a voxel is near it."""
SLAB_VOXELS = 4_000_000
"""Voxels whose distance to the mask is computed at once, at some 30 bytes each."""


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
QUALITY_SCORES = ("expected_dice", "sampled_dice", "boundary_uncertainty", "mean_error")
"""Those that do not depend on the size of a structure, but on that of the voxels."""


class ScoreSums:
    """Accumulates the scores over the class moments of an image, a few rows at a time.

    Parameters
    ----------
    labels : sequence of int
        Of the structures; their scores have the same order.
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


class MomentSums:
    """Sums for one structure; integers and sums of single rows, so that they do not depend on the slabs.

    A mask of :math:`p + z s` contains a voxel from a certain z on. Each voxel is counted at that z, which
    gives all masks in one pass.

    Parameters
    ----------
    label : int
        Of the structure.

    Attributes
    ----------
    voxels : int
        Of its mask.
    """

    def __init__(self, label: int) -> None:
        self.label = label
        self.voxels = 0
        self._row_sums: list[float] = []
        self._row_sums_in_mask: list[float] = []
        self._above = np.zeros(len(LEVELS), dtype=np.int64)
        self._starting = np.zeros(len(_STEPS) + 1, dtype=np.int64)
        self._starting_in_mask = np.zeros_like(self._starting)

    def add(
        self,
        p: np.ndarray,
        variance: np.ndarray,
        rival: np.ndarray,
        own: np.ndarray,
        classes: int,
        inside: np.ndarray | None = None,
    ) -> None:
        """Add some rows; all arrays have the shape `(D, H, W)`.

        Parameters
        ----------
        p, variance : ndarray
            Moments of the structure's class.
        rival : ndarray
            Largest probability of another class.
        own : ndarray of bool
            Its mask.
        classes : int
            Number of classes K, background included.
        inside : ndarray of bool, optional
            Voxels that count; all if None.
        """
        if inside is not None:
            p, own = np.where(inside, p, 0), own & inside
        self.voxels += int(np.count_nonzero(own))
        self._row_sums += [float(row.sum(dtype=np.float64)) for row in p]
        # Elsewhere the structure is the label at none of the quantiles: this leaves out most of an image.
        near = p > _least_probability(classes)
        for index, row in enumerate(near):
            self._row_sums_in_mask.append(float(p[index][row & own[index]].sum(dtype=np.float64)))
        self._count(p[near].astype(np.float64), variance[near], rival[near], own[near])

    def _count(self, p: np.ndarray, variance: np.ndarray, rival: np.ndarray, own: np.ndarray) -> None:
        self._above += np.array([np.count_nonzero(p > level) for level in LEVELS])
        starting = np.searchsorted(_STEPS, _first_z(p, variance, rival, own))
        self._starting += np.bincount(starting, minlength=len(self._starting))
        self._starting_in_mask += np.bincount(starting[own], minlength=len(self._starting))

    @property
    def expected_voxels(self) -> float:
        """Sum of the probability."""
        return math.fsum(self._row_sums)

    @property
    def spread_voxels(self) -> float:
        """One standard deviation of the number of voxels, see `StructureScores.volume_spread_ml`."""
        sizes = np.cumsum(self._starting)
        of_weights = (sizes[_HIGH] - sizes[_LOW]) / 2
        of_labels = (self._above[0] - self._above[1]) / 2
        return float(of_weights + of_labels)

    @property
    def expected_dice(self) -> float:
        """Dice coefficient of the mask against labels drawn voxel by voxel, in the mean; 0 if empty."""
        if not self.voxels:
            return 0.0
        return 2 * math.fsum(self._row_sums_in_mask) / (self.voxels + self.expected_voxels)

    @property
    def sampled_dice(self) -> float:
        """Mean Dice coefficient of the mask and the masks drawn; 0 if the mask is empty."""
        if not self.voxels:
            return 0.0
        sizes, common = np.cumsum(self._starting)[_SAMPLED], np.cumsum(self._starting_in_mask)[_SAMPLED]
        return float(np.mean(2 * common / (self.voxels + sizes)))


def _least_probability(classes: int) -> float:
    """Probability below which no sampled mask contains a voxel, whatever its variance.

    A class is the label only above 1 / K, and with v <= p (1 - p) the largest `p + z s` is below
    `p + z sqrt(p)`.
    """
    largest = QUANTILES[-1]
    return float((math.sqrt(largest**2 / 4 + 1 / classes) - largest / 2) ** 2)


def _first_z(p: np.ndarray, variance: np.ndarray, rival: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the z from which on the mask of `p + z s` contains a voxel; infinite without variance.

    With `q = p + z s` the rival has its share of the rest, `(1 - q) rival / (1 - p)`; the two are equal at
    `q = rival / (1 - p + rival)`.
    """
    left = np.maximum(1 - p + rival, np.finfo(np.float64).tiny)
    without_variance = np.where(own, -np.inf, np.inf)
    return np.divide(rival / left - p, np.sqrt(variance), out=without_variance, where=variance > 0)


class Surroundings(NamedTuple):
    """Sums near a structure; all 0 if it is empty.

    Attributes
    ----------
    voxels : int
        In the mask or within `MARGIN` of it.
    error_sum : float
        Sum of their error probabilities.
    surface_voxels : int
        Voxels of the mask with a face that touches another label or the border of the image.
    """

    voxels: int
    error_sum: float
    surface_voxels: int


def surroundings(
    labels: np.ndarray, label: int, error: np.ndarray, slab_voxels: int = SLAB_VOXELS
) -> Surroundings:
    """Return sums near a structure.

    Parameters
    ----------
    labels : ndarray of integer (D, H, W)
        Label map.
    label : int
        Of the structure.
    error : ndarray (D, H, W)
        Error probability.
    slab_voxels : int
        Approximate number of voxels that are processed at once; the result does not depend on it.
    """
    box = bounding_box(plane == label for plane in labels)
    if box is None:
        return Surroundings(0, 0.0, 0)
    box = with_margin(box, (MARGIN,) * 3, labels.shape)
    labels, error = labels[box], error[box]
    voxels, sums, surface = 0, [], 0
    for core, near, inner in _slabs(labels, label, slab_voxels):
        voxels += int(np.count_nonzero(near))
        surface += int(np.count_nonzero((labels[core] == label) & ~inner))
        # Row by row, so that rounding does not depend on the slabs.
        sums += [float(row[rim].sum(dtype=np.float64)) for row, rim in zip(error[core], near, strict=True)]
    return Surroundings(voxels, math.fsum(sums), surface)


def _slabs(
    labels: np.ndarray, label: int, slab_voxels: int
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield slabs of rows: the voxels near the structure, and those inside its surface."""
    step = max(1, slab_voxels // math.prod(labels.shape[1:]))
    for first in range(0, len(labels), step):
        core = slice(first, min(first + step, len(labels)))
        start = max(0, first - MARGIN)
        mask = labels[start : core.stop + MARGIN] == label
        rows = slice(first - start, core.stop - start)
        # Without a voxel of the structure there are no distances.
        near = distance_transform_edt(~mask) <= MARGIN if mask.any() else mask
        yield core, near[rows], binary_erosion(mask)[rows]
