"""The error of the union of all structures, and of the cut between touching ones, apart from each other.

Where structures touch, as the anterior and the posterior hippocampus do, the Dice of each has two kinds of
errors: of the outline of all together, and of the border between them, which people draw differently, too.
Two further masks tell them apart:

- The **perfect cut** keeps the model's union. Its voxels within the true union get the true label, those
  outside that of the nearest true structure: what is wrong then is the union's error.
- The **perfect union** keeps the model's cut. The voxels of the true union get the model's label, or where it
  has none, that of the nearest predicted structure: what is wrong then is the cut's error.

Distances are in mm. Where there is nothing to be nearest to, the perfect cut has the model's labels and the
perfect union is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from TrustSegLib.uncertainty.bounding_box import bounding_box

from .mask_agreement import dice, hd95

#: What is measured, for a table.
UNION, PERFECT_CUT, PERFECT_UNION = "union of all", "{}, perfect cut", "{}, perfect union"

#: Structures between which there is a cut.
LEAST_STRUCTURES = 2


@dataclass(frozen=True)
class Overlap:
    """Dice in [0, 1], and HD95 in mm: None unless both masks have voxels."""

    dice: float
    hd95_mm: float | None


def union_and_cut(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, float, float],
    structures: Mapping[str, int],
) -> dict[str, Overlap]:
    """Tell the errors of union and cut apart.

    Parameters
    ----------
    prediction, truth : np.ndarray
        (D, H, W) labels.
    spacing : tuple of float
        (x, y, z) mm.
    structures : mapping of str to int
        Label of every structure, by name.

    Returns
    -------
    dict of str to Overlap
        Of `UNION`, and of every structure with a perfect cut and with a perfect union; empty with fewer than
        two structures, which have no cut.
    """
    if len(structures) < LEAST_STRUCTURES:
        return {}
    labels = list(structures.values())
    prediction, truth = (np.where(np.isin(each, labels), each, 0) for each in (prediction, truth))
    box = bounding_box((prediction > 0) | (truth > 0))
    if box is not None:
        prediction, truth = prediction[box], truth[box]
    found = {UNION: _overlap(prediction > 0, truth > 0, spacing)}
    for title, changed in (
        (PERFECT_CUT, perfect_cut(prediction, truth, spacing)),
        (PERFECT_UNION, perfect_union(prediction, truth, spacing)),
    ):
        for name, label in structures.items():
            found[title.format(name)] = _overlap(changed == label, truth == label, spacing)
    return found


def perfect_cut(prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """(D, H, W) labels: the model's union, cut as the truth is."""
    if not truth.any():
        return prediction
    return np.where(prediction > 0, _nearest(truth, spacing), 0)


def perfect_union(
    prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]
) -> np.ndarray:
    """(D, H, W) labels: the true union, cut as the model does."""
    if not prediction.any():
        return prediction
    return np.where(truth > 0, _nearest(prediction, spacing), 0)


def _nearest(labels: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Label of the nearest voxel that has one; a labeled voxel is its own nearest."""
    places = distance_transform_edt(
        labels == 0, sampling=spacing[::-1], return_distances=False, return_indices=True
    )
    return labels[tuple(places)]


def _overlap(mask: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]) -> Overlap:
    return Overlap(dice(mask, truth), hd95(mask, truth, spacing))
