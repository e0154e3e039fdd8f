"""Sentences that a reader of a case must not miss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from TrustSegLib.uncertainty import Calibration
from TrustSegLib.uncertainty.input_check import check
from TrustSegLib.uncertainty.input_facts import input_facts
from TrustSegLib.uncertainty.shape_facts import shape_facts

if TYPE_CHECKING:
    from TrustSegLib.bundle import ModelDescription
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


def unlike_training(
    image: Volume, mask: Volume | None, description: ModelDescription, calibration: Calibration | None
) -> tuple[str, ...]:
    """Return in what an image is unlike those that its model was trained on, the worst first.

    Parameters
    ----------
    image : Volume
        `(C, D, H, W)`, whole: its intensities are normalized as a whole too.
    mask : Volume or None
        Label map of the whole image; None if only a part was segmented, of which shapes say nothing.
    description : ModelDescription
        Of the model.
    calibration : Calibration or None
        Of the model; nothing is measured or returned unless it has a part `input`.
    """
    if calibration is None or calibration.input is None:
        return ()
    shapes = {} if mask is None else shape_facts(mask, description.structures)
    return check(input_facts(image, description.modality) | shapes, calibration.input)


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
