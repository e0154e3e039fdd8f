"""Which of several models fits an image: by its header, its intensities, its size and what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume
from TrustSegLib.imaging.location import Location
from TrustSegLib.inference.located import is_larger, locate_anatomy
from TrustSegLib.inference.stages import CancelledCallback, ProgressCallback, Stages
from TrustSegLib.uncertainty.image_features import AXES, brightness_range, in_patient_axes

if TYPE_CHECKING:
    from TrustSegLib.bundle import ModelDescription
    from TrustSegLib.inference.prediction import Model

AIR_OR_FAT_HU = -50.0
"""A CT of a patient has voxels below: air, lung or fat."""
LIKE_CT = (-200.0, 100.0)
"""Values below the first and above the second, each in more than .5 % of the voxels: no MR has both."""
ROOM = 2.0
"""A field of view of up to this factor beyond those in training fits."""


@dataclass(frozen=True, eq=False)
class Fit:
    """How a model fits an image.

    Attributes
    ----------
    model : Model
        Which model.
    evidence : tuple of str
        What speaks for it, as clauses, the strongest last.
    problem : str or None
        Why it does not fit, as a clause; None if it does.
    location : Location or None
        Of its anatomy, where the image was searched for it.
    """

    model: Model
    evidence: tuple[str, ...]
    problem: str | None
    location: Location | None = None

    @property
    def strength(self) -> tuple[bool, int]:
        """Larger is better: its anatomy was seen, then the number of clauses."""
        return (self.location is not None, len(self.evidence))


@dataclass(frozen=True, eq=False)
class Choice:
    """The model that was chosen for an image.

    Attributes
    ----------
    model : Model
        Which model.
    reason : str
        Why, as a clause.
    others : dict of str to str
        Every other model by its name, with why not, or that it fits as well.
    location : Location or None
        Of its anatomy, where the image was searched for it; `segment` need not search again.
    times : dict of str to float
        Seconds of the stage `locate`, of all models, if there was one.
    """

    model: Model
    reason: str
    others: dict[str, str]
    location: Location | None = None
    times: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Its part of the provenance."""
        return {"reason": self.reason, "others": dict(self.others)}


def choose_model(
    volume: Volume,
    models: Sequence[Model],
    *,
    unusable: Mapping[str, str] | None = None,
    has_roi: bool = False,
    progress: ProgressCallback | None = None,
    cancelled: CancelledCallback | None = None,
) -> Choice:
    """Choose the model that fits an image, by what can be checked without a network.

    Header (DICOM modality and part of the body), number of channels, intensities where no header says the
    modality, size of the image against the training images, and for a scan that is much larger than a model's
    field of view, whether its locator finds the anatomy. Models whose anatomy was seen come first, then those
    with more evidence, then the first of the sequence.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)`.
    models : sequence of Model
        To choose from.
    unusable : Mapping of str to str, optional
        Names of models that could not be loaded, with the reason.
    has_roi : bool
        Whether a region of interest is given: the image is then not searched.
    progress, cancelled
        As for `segment`; of the stage `locate`.

    Returns
    -------
    Choice
        With its reason.

    Raises
    ------
    Cancelled
        When `cancelled` said so.
    ImageError
        No model fits: one line with the reason for each.
    """
    stages = Stages(progress, cancelled)
    fits = [_fit(volume, model, has_roi, stages) for model in models]
    fitting = sorted((fit for fit in fits if fit.problem is None), key=lambda fit: fit.strength, reverse=True)
    if not fitting:
        reasons = {fit.model.description.name: fit.problem for fit in fits} | dict(unusable or {})
        listed = "; ".join(f"{name} {reason}" for name, reason in reasons.items())
        raise ImageError(
            f"no model fits this image, so nothing was segmented ({listed or 'there is none'}); "
            "choose a model by name if one is meant for it all the same"
        )
    best, *rest = fitting
    others = {fit.model.description.name: "fits as well" for fit in rest}
    others |= {fit.model.description.name: fit.problem for fit in fits if fit.problem is not None}
    return Choice(
        best.model, "; ".join(best.evidence), others | dict(unusable or {}), best.location, stages.times
    )


def _fit(volume: Volume, model: Model, has_roi: bool, stages: Stages) -> Fit:
    description, evidence = model.description, []
    try:
        evidence += _channels_and_modality(volume, description)
        evidence += _body_part(volume, description)
        if has_roi:
            return Fit(model, tuple(evidence), None)
        if is_larger(volume, description):
            location = _found(volume, model, stages)
            return Fit(model, (*evidence, f"it shows a {description.locator.anatomy}"), None, location)
        evidence += _field_of_view(volume, model)
    except _Unfit as unfit:
        return Fit(model, tuple(evidence), str(unfit))
    return Fit(model, tuple(evidence), None)


class _Unfit(Exception):
    """Why a model does not fit, as a clause; never leaves this module."""


def _channels_and_modality(volume: Volume, description: ModelDescription) -> Iterator[str]:
    found, wanted = volume.channels, len(description.channels)
    if found != wanted:
        raise _Unfit(f"takes {wanted} channel{'s' * (wanted != 1)}, the image has {found}")
    modality = description.modality
    if volume.modality:
        if volume.modality != modality:
            raise _Unfit(f"is for {modality}, the image is {volume.modality} by its header")
        yield f"{modality} by its header"
        return
    low, high = brightness_range(volume.array[0])
    if modality == "CT":
        if low > AIR_OR_FAT_HU:
            raise _Unfit(f"is for CT in HU, the image has no air and no fat (lowest value {low:g})")
        if high < LIKE_CT[1]:
            raise _Unfit(f"is for CT in HU, the image has no bone (values up to {high:g})")
        yield "intensities as in CT (no header says the modality)"
    elif low < LIKE_CT[0] and high > LIKE_CT[1]:
        raise _Unfit(f"is for {modality}, the image has intensities of a CT (from {low:g} to {high:g})")
    else:
        yield f"intensities as in {modality} (no header says the modality)"


def _body_part(volume: Volume, description: ModelDescription) -> Iterator[str]:
    if not volume.body_part or not description.body_parts:
        return
    if volume.body_part not in description.body_parts:
        raise _Unfit(
            f"is for {', '.join(description.body_parts)}, the image shows {volume.body_part} by its header"
        )
    yield f"{volume.body_part} by its header"


def _found(volume: Volume, model: Model, stages: Stages) -> Location:
    location = locate_anatomy(volume, model, stages)
    if not location.found:
        raise _Unfit(f"found no {model.description.locator.anatomy} in it ({location.problem})")
    return location


def _field_of_view(volume: Volume, model: Model) -> Iterator[str]:
    """Compare with the training images; a model without a locator takes larger images as well."""
    content = model.calibration() or {}
    ranges = (content.get("input") or {}).get("facts", {})
    limits = [ranges.get(f"field_of_view_{axis}") for axis in AXES]
    if None in limits:
        return
    array, spacing = in_patient_axes(volume)
    lengths = np.array(array.shape[1:]) * spacing
    least, most = (np.array([limit["seen"][end] for limit in limits]) for end in (0, 1))
    is_cut_out = model.description.locator is not None
    if (lengths < least / ROOM).any() or (is_cut_out and (lengths > ROOM * most).any()):
        seen = " x ".join(f"{low:.0f}-{high:.0f}" for low, high in zip(least, most, strict=True))
        shown = " x ".join(f"{length:.0f}" for length in lengths)
        raise _Unfit(f"was trained on images of {seen} mm ({', '.join(AXES)}), this one shows {shown} mm")
    if is_cut_out:
        yield f"as small as its training images of one {model.description.locator.organ}"
