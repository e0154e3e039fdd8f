"""Differences from the training images: first in the warnings of a case, measured only with a reference."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hand_made_bundles import record, volume_interval

from TrustSegLib.imaging import Volume
from TrustSegLib.inference import Roi, SegmentOptions, Uncalibrated, segment
from TrustSegLib.inference import training_comparison as module
from TrustSegLib.inference.segmentation import PART_ONLY

MakeModel = Callable[..., SimpleNamespace]
MakeVolume = Callable[..., Volume]
PART = SegmentOptions(roi=Roi((2, 9, 3, 7, 1, 6), "index"))


def content(**facts: tuple[float, float]) -> dict:
    """A calibration that only knows ranges."""
    ranges = {name: {"low": low, "high": high, "unit": ""} for name, (low, high) in facts.items()}
    return {"record": record(), "input": {"cases": 40, "facts": ranges}}


FAR = content(dark=(98, 99), structure_1_volume=(1e3, 2e3), tilt=(0, 1))


def groups(warnings: tuple[str, ...]) -> list[str]:
    """Of each sentence, what it is about; those about something else as they are."""
    known = {"share of dark": "dark", "volume of": "volume", "noise": "noise"}
    return [next((name for part, name in known.items() if part in text), text) for text in warnings]


def test_warnings_begin_with_the_differences_from_training_worst_first(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    result = segment(make_volume(), make_model(pointwise, calibration=FAR))
    assert groups(result.case.warnings) == ["dark", "volume"]
    near = content(dark=(0, 100), structure_1_volume=(0.001, 10))
    assert segment(make_volume(), make_model(pointwise, calibration=near)).case.warnings == ()


def test_image_of_a_part_is_compared_without_its_shapes(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    result = segment(make_volume(), make_model(pointwise, calibration=FAR), PART)
    assert groups(result.case.warnings) == ["dark", PART_ONLY]


@pytest.mark.parametrize(("modality", "expected"), [("MR", []), ("CT", ["noise"])])
def test_intensities_are_measured_according_to_the_modality(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module, modality: str, expected: list
) -> None:
    """The noise of an image of 0 to 1 is some ten percent of its contrast, but no HU."""
    model = make_model(pointwise, calibration=content(noise=(10, 90)))
    vars(model.description)["modality"] = modality
    assert groups(segment(make_volume(), model).case.warnings) == expected


def test_ct_that_is_not_in_hu_is_said_first_and_without_a_reference(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    image = make_volume()
    zero = image.with_array(np.where(image.array > image.array.mean(), image.array, 0))
    for calibration, others in ((None, 0), (FAR, 2)):
        model = make_model(pointwise, calibration=calibration)
        vars(model.description)["modality"] = "CT"
        first, *more = segment(zero, model).case.warnings
        assert first.startswith("intensities are not in HU: ")
        assert len(more) <= others
        vars(model.description)["modality"] = "MR"
        assert not any("HU" in text for text in segment(zero, model).case.warnings)


def test_structure_on_the_border_is_flagged_and_its_interval_withheld(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    """The masks of the point-wise network are everywhere, so that they are on every face."""
    volumes = [volume_interval()]
    far, near = (content(structure_1_border_front=(-5, high)) | {"volumes": volumes} for high in (5, 1e6))
    row = segment(make_volume(), make_model(pointwise, calibration=far)).structures[0]
    assert row.flag.startswith("reaches the image's border (front, ")
    assert row.volume_interval_ml is None
    row = segment(make_volume(), make_model(pointwise, calibration=near)).structures[0]
    assert (row.flag, row.volume_interval_ml is None) == (None, False)


def test_part_of_an_image_has_no_border_of_its_own(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    model = make_model(pointwise, calibration=content(structure_1_border_front=(-5, 5)))
    assert segment(make_volume(), model, PART).structures[0].flag is None


def test_nothing_is_measured_without_a_reference(
    make_model: MakeModel,
    make_volume: MakeVolume,
    pointwise: torch.nn.Module,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured(*_: object) -> dict:
        raise AssertionError("nothing to compare it with")

    monkeypatch.setattr(module, "input_facts", measured)
    monkeypatch.setattr(module, "quality_facts", measured)
    monkeypatch.setattr(module, "shape_facts", measured)
    for model in (
        make_model(pointwise),
        make_model(pointwise, calibration={"record": record()}),
        Uncalibrated(make_model(pointwise, calibration=FAR)),
    ):
        assert segment(make_volume(), model).case.warnings == ()
