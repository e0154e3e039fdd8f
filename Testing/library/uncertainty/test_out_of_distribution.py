"""Sentences about an image that is unlike the training: which, in which order, in which words."""

from __future__ import annotations

import pytest

from TrustSegLib.uncertainty.image_features import (
    AXES,
    BORDER,
    FIELD,
    FOUND,
    GROUPS,
    SHARE,
    SPACING,
    TILT,
    VOLUME,
    Fact,
)
from TrustSegLib.uncertainty.image_quality import DETAIL, NOISE
from TrustSegLib.uncertainty.out_of_distribution import UNLIKE, cut_off, differences, excess, number


def limits(low: float, high: float, **more) -> dict:
    return {"low": low, "high": high, "unit": "", **more}


def field_of_view(*values: float) -> dict[str, Fact]:
    return {f"field_of_view_{axis}": Fact(v, FIELD, axis) for axis, v in zip(AXES, values, strict=True)}


REFERENCE = {
    "cases": 200,
    "facts": {
        **{f"field_of_view_{axis}": limits(30, 60, seen=[34, 52]) for axis in AXES},
        "noise": limits(0, 6, seen=[1.5, 4]),
        "detail": limits(0.5, 0.7),
        "dark": limits(1, 10),
        "tilt": limits(-15, 15),
        "structure_1_found": limits(1, 1),
        "structure_1_volume": limits(1, 3),
    },
}


def test_image_like_the_training_has_no_sentence():
    facts = {**field_of_view(30, 45, 60), "noise": Fact(6, NOISE, "noise")}
    assert differences(facts, REFERENCE) == ()


def test_field_of_view_is_described_along_all_axes_with_the_training_range():
    assert differences(field_of_view(240, 45, 160), REFERENCE) == (
        f"{UNLIKE}: field of view 240 x 45 x 160 mm (left-right, front-back, foot-head), "
        "in training 34-52 x 34-52 x 34-52 mm",
    )


def test_sentences_are_one_per_group_worst_first_and_at_most_three():
    facts = {
        "tilt": Fact(16, TILT, "tilt"),
        "dark": Fact(40, SHARE, "dark voxels"),
        "noise": Fact(60, NOISE, "noise"),
        "detail": Fact(0.75, DETAIL, "detail"),
        **field_of_view(45, 45, 62),
    }
    found = differences(facts, REFERENCE)
    assert found == (
        f"{UNLIKE}: noise 60 % of the contrast, in training 1.5-4 %; "
        "detail 0.75, in training 0.5-0.7 (noisy)",
        f"{UNLIKE}: dark voxels 40 %, in training 1-10 %",
        f"{UNLIKE}: field of view 45 x 45 x 62 mm (left-right, front-back, foot-head), "
        "in training 34-52 x 34-52 x 34-52 mm",
    )


def test_missing_structure_is_described_as_not_found():
    found = differences({"structure_1_found": Fact(0, FOUND, "Left kidney found")}, REFERENCE)
    assert found == (f"{UNLIKE}: no Left kidney found",)


def test_structure_that_training_never_had_is_described():
    reference = {"facts": {"structure_1_found": limits(0, 0)}}
    found = differences({"structure_1_found": Fact(1, FOUND, "Left kidney found")}, reference)
    assert found == (f"{UNLIKE}: Left kidney found, in training never",)


def test_hint_depends_on_the_side_of_the_range():
    assert differences({"detail": Fact(0.4, DETAIL, "detail")}, REFERENCE)[0].endswith(
        "(blurred or interpolated)"
    )


def test_only_facts_of_both_sides_are_compared():
    assert differences({"new": Fact(9, SHARE, "new"), "dark": Fact(5, SHARE, "dark")}, REFERENCE) == ()


def test_excess_of_twice_equals_that_of_half_for_a_ratio():
    assert excess(6, VOLUME, limits(1, 3)) == pytest.approx(excess(0.5, VOLUME, limits(1, 3)))
    assert excess(3, VOLUME, limits(1, 3)) == excess(1, VOLUME, limits(1, 3)) == 0


def test_range_of_a_single_value_has_a_finite_excess():
    assert 0 < excess(0.0, FOUND, limits(0.9, 1)) < 100
    assert 0 < excess(2, SPACING, limits(1, 1)) < 10


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0012, "0.0012"), (0.56, "0.56"), (4.14, "4.1"), (34.4, "34"), (-1000.0, "-1000"), (0.0, "0")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_range_below_0_is_written_with_to():
    found = differences({"dark": Fact(9, SHARE, "dark")}, {"facts": {"dark": limits(-3, -1)}})
    assert found == (f"{UNLIKE}: dark 9 %, in training -3 to -1 %",)


def test_lower_limit_of_0_allows_any_small_ratio():
    assert excess(0.001, VOLUME, limits(0, 3)) == 0


def test_axis_without_a_reference_is_left_out():
    reference = {"facts": {"field_of_view_front-back": limits(30, 60)}}
    assert differences(field_of_view(9, 90, 9), reference) == (
        f"{UNLIKE}: field of view 90 mm (front-back), in training 30-60 mm",
    )


def test_every_group_can_be_described():
    """A kind of another group would be lost in the middle of a segmentation."""
    assert {kind.group for kind in (SPACING, TILT, FIELD, SHARE, NOISE, VOLUME, BORDER)} == set(GROUPS)


def at_border(**areas: float) -> dict[str, Fact]:
    return {
        f"structure_1_border_{side}": Fact(area, BORDER, f"Cord at the image's border ({side})")
        for side, area in areas.items()
    }


def test_structure_on_the_border_is_cut_off_and_every_side_is_named():
    reference = {"facts": {f"structure_1_border_{side}": limits(-5, 5) for side in ("front", "foot")}}
    reason = cut_off(at_border(front=85.0, foot=12.0), reference, 1)
    assert reason == (
        "reaches the image's border (front, 85 mm2; foot, 12 mm2): the image may be cut through it; its "
        "volume is that of the visible part only"
    )
    assert cut_off(at_border(front=4.0, foot=0.0), reference, 1) is None


def test_structure_may_reach_the_border_where_it_does_in_training():
    reference = {
        "facts": {"structure_1_border_foot": limits(0, 140), "structure_1_border_head": limits(-5, 5)}
    }
    assert cut_off(at_border(foot=120.0, head=0.0), reference, 1) is None
    assert "(head, 120 mm2)" in cut_off(at_border(foot=0.0, head=120.0), reference, 1)


def test_border_is_told_for_the_structure_and_not_again_for_the_case():
    reference = {"facts": {"structure_1_border_front": limits(-5, 5)}}
    assert differences(at_border(front=85.0), reference) == ()


def test_reference_that_does_not_know_the_border_has_nothing_to_say_about_it():
    assert cut_off(at_border(front=85.0), {"facts": {}}, 1) is None
