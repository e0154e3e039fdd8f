"""From the raw to the calibrated probability that a voxel's label is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

CHUNK = 2**20
"""Voxels at a time: the interpolation works in float64."""


@dataclass(frozen=True, eq=False)
class ErrorCurve:
    """Straight lines between points; beyond the first and the last point it stays at their value.

    Attributes
    ----------
    raw : ndarray (N,)
        Raw error probabilities, each above the one before.
    calibrated : ndarray (N,)
        How often the label was wrong there, never falling, 0 to 1.
    ece_before, ece_after : float
        Expected calibration error of the raw and of the calibrated probability, cross-validated.
    """

    raw: np.ndarray
    calibrated: np.ndarray
    ece_before: float
    ece_after: float

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> ErrorCurve:
        """Make it from its part of `calibration.json`.

        Raises
        ------
        ValueError
            If the points are no rising curve.
        """
        raw, calibrated = (np.asarray(content[name], dtype=np.float64) for name in ("raw", "calibrated"))
        _check(raw, calibrated)
        return cls(raw, calibrated, float(content["ece_before"]), float(content["ece_after"]))

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float32, of the same shape; NaN stays NaN."""
        flat = np.ravel(raw)
        result = np.empty(flat.shape, dtype=np.float32)
        for first in range(0, flat.size, CHUNK):
            part = slice(first, first + CHUNK)
            result[part] = np.interp(flat[part], self.raw, self.calibrated)
        return result.reshape(np.shape(raw))


def _check(raw: np.ndarray, calibrated: np.ndarray) -> None:
    if len(raw) != len(calibrated) or len(raw) < 2:
        raise ValueError(f"error_probability: {len(raw)} raw and {len(calibrated)} calibrated points")
    if not (np.isfinite(raw).all() and np.isfinite(calibrated).all()):
        raise ValueError("error_probability: a point is not a finite number")
    if not (np.diff(raw) > 0).all():
        raise ValueError("error_probability: the raw points do not rise")
    if not (np.diff(calibrated) >= 0).all():
        raise ValueError("error_probability: the calibrated points fall")
    if calibrated[0] < 0 or calibrated[-1] > 1:
        raise ValueError("error_probability: a calibrated point is not a probability")
