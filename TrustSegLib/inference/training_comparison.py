"""Compare an image and its mask with those that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from TrustSegLib.imaging import Volume, resampled_middle
from TrustSegLib.uncertainty import Calibration, with_cut_off
from TrustSegLib.uncertainty.image_features import Fact, input_facts, shape_facts
from TrustSegLib.uncertainty.image_quality import BLOCK, quality_facts
from TrustSegLib.uncertainty.out_of_distribution import cut_off, differences

if TYPE_CHECKING:
    from TrustSegLib.bundle import ModelDescription
    from TrustSegLib.uncertainty import StructureRow


def image_facts(image: Volume, description: ModelDescription, modality: str | None = None) -> dict[str, Fact]:
    """Measure an image by itself, its quality on the grid of a model.

    Parameters
    ----------
    image : Volume
        `(C, D, H, W)`, as in the file.
    description : ModelDescription
        Of the model.
    modality : str, optional
        DICOM's; default: the model's.
    """
    modality, grid = modality or description.modality, description.input
    seen = resampled_middle(image, grid.spacing_mm, grid.orientation, BLOCK)
    return input_facts(image, modality) | quality_facts(image, seen, modality)


def facts_of(
    image: Volume, mask: Volume | None, description: ModelDescription, calibration: Calibration | None
) -> dict[str, Fact]:
    """Measure what an image and its mask are compared by with those that the model was trained on.

    Parameters
    ----------
    image : Volume
        `(C, D, H, W)`, whole: its intensities are normalized as a whole too.
    mask : Volume or None
        Label map of the whole image; None if only a part was segmented, whose shapes cannot be compared.
    description : ModelDescription
        Of the model.
    calibration : Calibration or None
        Of the model; nothing is measured unless it has a part `input`.
    """
    if calibration is None or calibration.input is None:
        return {}
    facts = image_facts(image, description)
    return facts if mask is None else facts | shape_facts(mask, description.structures)


def compared_with_training(
    rows: tuple[StructureRow, ...], facts: Mapping[str, Fact], calibration: Calibration | None
) -> tuple[tuple[StructureRow, ...], tuple[str, ...]]:
    """Return the rows, with flags for structures that the image cuts off, and how it differs from training.

    Parameters
    ----------
    rows : tuple of StructureRow
        Of all structures.
    facts : mapping of str to Fact
        See `facts_of`.
    calibration : Calibration or None
        Of the model.
    """
    if calibration is None or calibration.input is None:
        return rows, ()
    found = {row.label: cut_off(facts, calibration.input, row.label) for row in rows}
    cut = {label: reason for label, reason in found.items() if reason is not None}
    return with_cut_off(rows, cut), differences(facts, calibration.input)
