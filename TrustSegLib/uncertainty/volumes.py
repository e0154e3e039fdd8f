"""One row per structure: its volume and its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume


class NamedLabel(Protocol):
    """What a row needs of a structure."""

    @property
    def label(self) -> int:
        """Value of the structure's voxels in the label volume."""

    @property
    def name(self) -> str:
        """Name for people."""


@dataclass(frozen=True)
class StructureRow:
    """Figures of one structure.

    Attributes
    ----------
    label : int
        Value of its voxels in the mask.
    name : str
        Name for people.
    volume_ml : float
        Number of its voxels times the voxel volume, in ml.
    volume_interval_ml : tuple of float or None
        Lowest and highest plausible volume in ml; None without a calibration.
    mean_uncertainty : float or None
        Mean of the uncertainty map over its voxels, in the map's unit; None for an empty structure.
    expected_dsc : float or None
        Predicted Dice coefficient, 0 to 1; None without a calibration.
    expected_dsc_interval : tuple of float or None
        Lowest and highest plausible Dice coefficient; None without a calibration.
    flag : str or None
        Why a person should look at it; None without a reason or without a calibration.
    """

    label: int
    name: str
    volume_ml: float
    volume_interval_ml: tuple[float, float] | None = None
    mean_uncertainty: float | None = None
    expected_dsc: float | None = None
    expected_dsc_interval: tuple[float, float] | None = None
    flag: str | None = None


def structure_rows(
    labels: Volume, uncertainty: Volume, structures: Sequence[NamedLabel]
) -> tuple[StructureRow, ...]:
    """Return one row per structure, in the order given.

    Parameters
    ----------
    labels : Volume
        Label map, integer array (1, D, H, W).
    uncertainty : Volume
        Uncertainty map, array (1, D, H, W) on the same grid.
    structures : sequence of NamedLabel
        Structures to report.

    Returns
    -------
    tuple of StructureRow
        Volumes in ml, mean uncertainties in the unit of the map.
    """
    if labels.array.shape != uncertainty.array.shape or not labels.same_grid(uncertainty):
        raise ValueError("labels and uncertainty do not lie on the same grid")
    counts, sums = _count_and_sum(labels.array, uncertainty.array)
    return tuple(
        StructureRow(
            label=structure.label,
            name=structure.name,
            volume_ml=float(counts[structure.label] * labels.voxel_volume_ml),
            mean_uncertainty=_mean(sums[structure.label], counts[structure.label]),
        )
        for structure in structures
    )


def _mean(total: float, count: int) -> float | None:
    return float(total / count) if count else None


def _count_and_sum(labels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return voxel count and sum of values of labels 0-255, slice by slice to bound memory; (1, D, H, W)."""
    counts, sums = np.zeros(256, dtype=np.int64), np.zeros(256)
    for label_slice, value_slice in zip(labels[0], values[0], strict=True):
        flat = label_slice.ravel()
        counts += np.bincount(flat, minlength=256)
        sums += np.bincount(flat, weights=value_slice.ravel(), minlength=256)
    return counts, sums
