"""Sentences that a reader of a case must not miss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from TrustSegLib.uncertainty import Calibration

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume

OF_VARIANCE = ("predictive_variance", "epistemic")
"""Maps that are 0 for a network that answers without a variance."""

PART_ONLY = (
    "only the region of interest was segmented: volumes hold for what lies in it, and the 0 of mask and maps "
    "outside of it does not mean that the model is sure"
)
NOT_FOR_A_PART = (
    "no volume interval and no expected DSC: they were calibrated on whole images, not on a part of them"
)


def case_warnings(
    maps: Mapping[str, Volume], is_whole: bool, calibration: Calibration | None
) -> tuple[str, ...]:
    """Return the warnings of a case.

    Parameters
    ----------
    maps : Mapping of str to Volume
        Those asked for.
    is_whole : bool
        Whether the whole image was segmented.
    calibration : Calibration or None
        Of the model.
    """
    found = []
    if not is_whole:
        found.append(PART_ONLY)
        if calibration is not None and calibration.labels:
            found.append(NOT_FOR_A_PART)
    return (*found, *_without_variance(maps))


def _without_variance(maps: Mapping[str, Volume]) -> Iterator[str]:
    """Not an error: the mask and the other maps are as good, and a batch or Slicer's panel goes on.

    It is seen in the map, not in the name of the family: a network of any family may answer without.
    """
    for name in OF_VARIANCE:
        if name in maps and not maps[name].array.any():
            yield (
                f"map {name}: 0 everywhere, since this model knows no variance of its probabilities; it does "
                "not mean that the model is sure"
            )
