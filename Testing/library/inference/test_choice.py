"""Which model is chosen for an image, and what is said where none fits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import heads
import numpy as np
import pytest
from hand_made_bundles import BUNDLED, model_content

from TrustSegLib.bundle import ModelDescription, load_bundle
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, read_volume
from TrustSegLib.inference import choose_model, located, segment
from TrustSegLib.networks import NetworkSpec

SAMPLE = BUNDLED.parents[2] / "TrustSeg" / "Resources" / "SampleData" / "hippocampus_223.nii.gz"


@dataclass
class Model:
    """What a choice needs of a model that has neither calibration nor locator."""

    description: ModelDescription
    sha256: str = "0" * 64

    def calibration(self) -> None:
        """Not calibrated."""


def of(name: str, **content: object) -> Model:
    return Model(
        ModelDescription.from_dict(model_content(NetworkSpec(classes=3), (16, 16, 16), name=name, **content))
    )


CT, MR = of("for-ct", modality="CT", channels=["CT"]), of("for-mr")


@pytest.fixture(scope="module")
def hippocampus():
    return load_bundle(BUNDLED)


@pytest.fixture(scope="module")
def crop() -> Volume:
    return read_volume(SAMPLE)


def ct(low: float = -1000.0, high: float = 1500.0) -> Volume:
    """A ball of soft tissue with bone in it, in air."""
    z, y, x = np.mgrid[:40, :48, :48]
    radius = np.sqrt((z - 20) ** 2 + (y - 24) ** 2 + (x - 24) ** 2)
    hu = np.where(radius < 18, 40.0, low)
    hu[radius < 8] = high
    return Volume(hu[None].astype(np.float32), (5.0, 5.0, 5.0), (0, 0, 0), tuple(np.eye(3).ravel()))


def test_header_decides_against_the_intensities():
    assert choose_model(replace(ct(), modality="MR"), [CT, MR]).model is MR
    assert choose_model(replace(ct(), modality="CT"), [MR, CT]).reason == "CT by its header"


def test_without_a_header_hounsfield_units_are_recognized(crop):
    assert choose_model(ct(), [MR, CT]).model is CT
    assert choose_model(crop, [CT, MR]).model is MR


def test_ct_without_its_intercept_is_not_taken_for_hounsfield_units():
    volume = ct()
    choice = choose_model(volume.with_array(volume.array + 1000), [CT, MR])
    assert choice.model is MR
    assert choice.others["for-ct"] == "is for CT in HU, the image has no air and no fat (lowest value 0)"


def test_stated_part_of_the_body_has_to_be_one_of_the_models():
    neck = of("neck", modality="CT", channels=["CT"], body_parts=["NECK", "HEADNECK"])
    choice = choose_model(replace(ct(), modality="CT", body_part="NECK"), [CT, neck])
    assert (choice.model, choice.reason) == (neck, "CT by its header; NECK by its header")
    assert choice.others == {"for-ct": "fits as well"}
    with pytest.raises(ImageError, match="neck is for NECK, HEADNECK, the image shows KNEE by its header"):
        choose_model(replace(ct(), modality="CT", body_part="KNEE"), [neck])


def test_whole_head_goes_to_the_model_that_finds_its_anatomy_and_is_not_searched_again(
    hippocampus, monkeypatch
):
    head = heads.thick_slices(heads.ch2())
    choice = choose_model(head, [MR, hippocampus])
    assert choice.model is hippocampus
    assert choice.reason.endswith("it shows a brain")
    assert choice.others == {"for-mr": "fits as well"}
    monkeypatch.setattr(located, "locate", lambda *_: pytest.fail("searched a second time"))
    result = segment(head, hippocampus, choice=choice)
    assert result.provenance["choice"] == choice.to_dict()
    assert result.sides.volumes_ml.keys() == {"Left", "Right"}


def test_region_of_interest_of_a_whole_head_needs_no_search(hippocampus):
    choice = choose_model(heads.ch2(), [hippocampus], has_roi=True)
    assert choice.location is None


def test_crop_as_in_training_goes_to_the_model_that_was_trained_on_such(hippocampus, crop):
    choice = choose_model(crop, [MR, hippocampus])
    assert choice.model is hippocampus
    assert choice.reason.endswith("as small as its training images of one hippocampus")


def test_sliver_of_the_field_of_view_does_not_fit(hippocampus, crop):
    thin = replace(crop, array=crop.array[:, :6])
    with pytest.raises(ImageError, match=r"was trained on images of .* mm .*, this one shows"):
        choose_model(thin, [hippocampus])


def test_of_models_that_fit_equally_the_first_is_chosen_and_the_others_are_named():
    choice = choose_model(ct(), [of("b", modality="CT", channels=["CT"]), CT])
    assert choice.model.description.name == "b"
    assert choice.others == {"for-ct": "fits as well"}


def test_nothing_fitting_says_why_of_every_model(hippocampus):
    knee = heads.blobs()
    with pytest.raises(ImageError) as caught:
        choose_model(knee, [CT, hippocampus], unusable={"old": "is damaged (weights changed)"})
    text = str(caught.value)
    assert text.startswith("no model fits this image, so nothing was segmented (for-ct is for CT in HU")
    assert "hippocampus-t1 found no brain in it (" in text
    assert "old is damaged (weights changed)" in text
    assert "\n" not in text


def test_number_of_channels_has_to_fit():
    two = of("two", channels=["T1", "T2"], network=NetworkSpec(classes=3, in_channels=2).to_dict())
    choice = choose_model(ct().with_array(np.repeat(ct(0, 50).array, 2, axis=0)), [CT, two])
    assert choice.model is two
    assert choice.others["for-ct"] == "takes 1 channel, the image has 2"
