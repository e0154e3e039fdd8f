"""Facts of an image and of a mask: what they measure, and that the file's axes have no influence."""

from __future__ import annotations

from itertools import permutations, product
from typing import NamedTuple

import numpy as np
import pytest

from TrustSegLib.imaging import Volume, orient
from TrustSegLib.uncertainty import image_features as module
from TrustSegLib.uncertainty import image_quality as quality
from TrustSegLib.uncertainty.image_features import GROUPS, Kind, input_facts, not_hounsfield, shape_facts

LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
ORIENTATIONS = ["".join(letters) for order in permutations(("LR", "PA", "SI")) for letters in product(*order)]


class Structure(NamedTuple):
    """The least that a structure must be."""

    label: int
    name: str


FRONT, BACK = Structure(1, "Front"), Structure(2, "Back")


def volume(array: np.ndarray, spacing=(1.0, 2.0, 4.0), direction=LPS) -> Volume:
    """Put an array (D, H, W), growing to the head, back and left, into a volume."""
    return Volume(array[None], spacing, (5.0, -3.0, 9.0), direction)


def image(shape=(12, 16, 20)) -> np.ndarray:
    """A smooth head of brightness 0 to 100 with little noise, not alike from any two sides."""
    z, y, x = np.meshgrid(*(np.linspace(0, 1, size) for size in shape), indexing="ij")
    smooth = 40 * x + 30 * y**2 + 30 * np.sin(3 * z * x)
    return smooth + np.random.default_rng(0).normal(0, 1, shape)


def mask() -> np.ndarray:
    """FRONT of 4 x 3 x 2 voxels along x, y, z, and BACK behind it with a stray voxel."""
    labels = np.zeros((12, 16, 20), np.uint8)
    labels[3:5, 2:5, 6:10] = 1
    labels[3:5, 5:9, 6:10] = 2
    labels[10, 15, 18] = 2
    return labels


def values(facts) -> dict[str, float]:
    return {name: fact.value for name, fact in facts.items()}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_order_and_direction_of_the_axes_in_the_file_have_no_influence(orientation):
    here, labels = volume(image()), volume(mask())
    there = orient(here, orientation)
    for modality in ("MR", "CT"):
        assert values(input_facts(there, modality)) == pytest.approx(values(input_facts(here, modality)))
    found = values(shape_facts(orient(labels, orientation), (FRONT, BACK)))
    assert found == pytest.approx(values(shape_facts(labels, (FRONT, BACK))))


def test_spacing_and_field_of_view_are_along_the_axes_of_the_patient():
    facts = values(input_facts(orient(volume(image()), "SRA"), "MR"))
    assert [facts[f"spacing_{axis}"] for axis in module.AXES] == [1, 2, 4]
    assert [facts[f"field_of_view_{axis}"] for axis in module.AXES] == [20, 32, 48]


def test_tilt_is_the_angle_of_an_oblique_image():
    cosine, sine = np.cos(np.radians(20)), np.sin(np.radians(20))
    oblique = volume(image(), direction=(1, 0, 0, 0, cosine, -sine, 0, sine, cosine))
    assert input_facts(oblique, "MR")["tilt"].value == pytest.approx(20)
    assert input_facts(volume(image()), "MR")["tilt"].value == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("gain", [0.001, 7.0, 30000.0])
def test_gain_changes_no_fact_of_mr(gain):
    assert values(input_facts(volume(gain * image()), "MR")) == pytest.approx(
        values(input_facts(volume(image()), "MR"))
    )


def test_brightness_of_mr_by_hand():
    half = np.concatenate([np.zeros(600), np.linspace(1, 100, 400)]).reshape(10, 10, 10)
    facts = values(input_facts(volume(half), "MR"))
    assert facts["dark"] == pytest.approx(63.5, abs=1)
    assert facts["bright"] == pytest.approx(4, abs=1)
    assert (facts["median"], facts["negative"]) == (0, 0)
    assert facts["skewness"] > 0.5
    assert values(input_facts(volume(half - 50), "MR"))["negative"] == pytest.approx(80, abs=1)


def test_ct_is_measured_in_hu_within_the_body_and_padding_is_air():
    body = np.full((10, 10, 10), 50, np.int16)
    body[:5] = -3024
    body[9] = 700
    facts = values(input_facts(volume(body), "CT"))
    assert (facts["air"], facts["bone"], facts["body_50"], facts["body_95"]) == (50, 20, 50, 700)


def _head_in_hu() -> np.ndarray:
    """Air, fat and muscle with some noise, as int16."""
    hu = np.full((20, 20, 20), -1000.0)
    hu[4:16, 4:16, 4:16] = -100
    hu[6:14, 6:14, 6:14] = 50
    return (hu + np.random.default_rng(0).normal(0, 15, hu.shape)).astype(np.int16)


def test_ct_without_its_rescale_intercept_is_told():
    hu = _head_in_hu()
    assert not_hounsfield(volume(hu), "CT") is None
    for intercept in (1000, 1024):
        text = not_hounsfield(volume(np.maximum(hu + intercept, 0)), "CT")
        assert "rescale intercept" in text
        assert "\n" not in text
    assert not_hounsfield(volume(np.maximum(hu + 1024, 0)), "MR") is None


def test_ct_that_was_windowed_or_masked_is_told_and_a_crop_without_air_is_not():
    hu = _head_in_hu()
    windowed = np.clip((hu + 160) * 255 / 400, 0, 255).astype(np.uint8)
    text = not_hounsfield(volume(windowed), "CT")
    assert "lowest value, 0, where CT has air at -1000" in text
    assert not_hounsfield(volume(hu[7:13, 7:13, 7:13]), "CT") is None
    both = Volume(np.stack([hu, windowed]), (1, 1, 1), (0, 0, 0), LPS)
    assert not_hounsfield(both, "CT") == text


def test_each_channel_has_its_own_facts():
    both = Volume(np.stack([image(), -image()]), (1, 1, 1), (0, 0, 0), LPS)
    facts = input_facts(both, "MR")
    assert facts["channel_1_skewness"].value == pytest.approx(-facts["channel_2_skewness"].value, abs=0.01)
    assert facts["channel_2_skewness"].text == "skewness of the histogram of channel 2"


def test_constant_and_thin_images_lack_the_undefined_facts():
    constant = input_facts(volume(np.full((6, 6, 6), 3.0)), "MR")
    assert "dark" not in constant
    assert "spacing_left-right" in constant
    thin = input_facts(volume(image((1, 2, 3))), "MR")
    assert np.isfinite([fact.value for fact in thin.values()]).all()


def test_image_of_air_alone_has_no_facts_of_the_body():
    facts = input_facts(volume(np.full((6, 6, 6), -1000, np.int16)), "CT")
    assert facts["air"].value == 100
    assert "body_50" not in facts


def test_large_images_are_sampled_with_the_same_result(monkeypatch):
    large = image((40, 44, 48))
    whole = values(input_facts(volume(large), "MR"))
    monkeypatch.setattr(module, "SAMPLES", 16)
    assert values(input_facts(volume(large), "MR")) == pytest.approx(whole, rel=0.15, abs=1)


def test_shape_of_a_structure_by_hand():
    facts = values(shape_facts(volume(mask()), (FRONT, BACK)))
    assert facts["structure_1_volume"] == pytest.approx(24 * 8 / 1000)
    assert [facts[f"structure_1_extent_{axis}"] for axis in module.AXES] == [4, 6, 8]
    assert (facts["structure_1_parts"], facts["structure_1_largest_part"]) == (1, 100)
    assert facts["structure_2_parts"] == 2
    assert facts["structure_2_largest_part"] == pytest.approx(100 * 32 / 33)


def test_area_on_each_face_of_the_image_by_hand():
    labels = mask()
    labels[0, 2:5, 6:10] = 1  # 12 voxels of 1 x 2 mm on the lowest slice
    facts = values(shape_facts(volume(labels), (FRONT, BACK)))
    assert facts["structure_1_border_foot"] == 12 * 2
    assert facts["structure_2_border_back"] == 1 * 4, "the stray voxel"
    sides = [side for pair in module.SIDES for side in pair]
    assert sum(facts[f"structure_1_border_{side}"] for side in sides) == 12 * 2
    turned = values(shape_facts(volume(labels[::-1]), (FRONT, BACK)))
    assert turned["structure_1_border_head"] == 12 * 2


def test_stray_voxels_are_not_counted_as_parts():
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:8, 2:8, 2:8], labels[11, 11, 11] = 1, 1
    facts = values(shape_facts(volume(labels), (FRONT,)))
    assert facts["structure_1_parts"] == 1
    assert facts["structure_1_largest_part"] < 100


def test_place_is_signed_towards_the_patients_sides():
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[7, 4, 5], labels[7, 5, 5] = 1, 2
    facts = values(shape_facts(volume(labels), (FRONT, BACK)))
    assert (facts["place_left"], facts["place_back"], facts["place_head"]) == (0.5, 0, 10)
    assert (facts["structure_1_place_back"], facts["structure_2_place_back"]) == (-1, 1)
    turned = values(shape_facts(volume(labels[:, ::-1]), (FRONT, BACK)))
    assert turned["structure_1_place_back"] == 1


def test_empty_structure_has_only_the_fact_that_it_was_not_found():
    facts = values(shape_facts(volume(np.minimum(mask(), 1)), (FRONT, BACK)))
    assert [name for name in facts if name.startswith("structure_2")] == ["structure_2_found"]
    assert (facts["structure_1_found"], facts["structure_2_found"]) == (1, 0)
    assert "structure_1_place_back" not in facts, "there is no common center"
    assert shape_facts(volume(0 * mask()), (FRONT, BACK)).keys() == {"structure_1_found", "structure_2_found"}


def test_every_kind_has_a_known_group_and_ratios_a_factor():
    kinds = [kind for of in (module, quality) for kind in vars(of).values() if isinstance(kind, Kind)]
    assert {kind.group for kind in kinds} == set(GROUPS)
    assert all(kind.tolerance > (1 if kind.is_ratio else 0) for kind in kinds)


def test_facts_are_plain_numbers_of_their_kind():
    here = input_facts(volume(image()), "MR") | input_facts(volume(image()), "CT")
    for fact in (here | shape_facts(volume(mask()), (FRONT, BACK))).values():
        assert type(fact.value) is float
        assert np.isfinite(fact.value)
        assert fact.value > 0 or not fact.kind.is_ratio
