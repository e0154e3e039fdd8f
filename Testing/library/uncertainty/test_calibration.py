"""A calibration: from raw scores to intervals, expected Dice coefficients and flags."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hand_made_bundles import expected_dsc, volume_interval

from TrustSegLib.uncertainty import (
    Calibration,
    StructureRow,
    StructureScores,
    calibrated_rows,
    case_quality,
    with_cut_off,
)
from TrustSegLib.uncertainty.calibration_checks import check_interval, check_map, check_quality

RECORD = {"data": "Task04", "patients": 40, "conditions": ["clean", "noise"], "cases": 80, "folds": 5}
CONTENT = {
    "schema": "trustseg-calibration/1",
    "record": RECORD,
    "error_probability": {
        "raw": [0.0, 0.2, 0.5],
        "calibrated": [0.01, 0.3, 0.6],
        "ece_before": 0.05,
        "ece_after": 0.02,
    },
    "volumes": [volume_interval(quantile=2.0, floor_ml=0.1, coverage=0.91, cases=80)],
    "quality": [
        expected_dsc(
            center=[0.9, 0.04],
            coefficients=[0.5, -0.25],
            intercept=1.5,
            low=-0.5,
            high=0.75,
            cases=80,
        )
    ],
}
SCORES = StructureScores(1, 3.0, 3.2, 0.4, 0.85, 0.95, 0.3, 0.06)
ROW = StructureRow(1, "Front", 3.0, mean_uncertainty=0.1)


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(CONTENT)


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_error_probability_lies_on_straight_lines_between_the_points() -> None:
    raw = np.array([[0.0, 0.1, 0.2], [0.35, 0.5, 0.7]], dtype=np.float32)
    found = Calibration.parse(CONTENT).error_probability(raw)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.01, 0.155, 0.3], [0.45, 0.6, 0.6]], rtol=1e-6)


def test_large_map_is_calibrated_to_its_last_voxel() -> None:
    raw = np.full((3, 1024, 1024), 0.2, dtype=np.float32)
    assert (Calibration.parse(CONTENT).error_probability(raw) == np.float32(0.3)).all()


def test_nan_in_the_map_stays_nan() -> None:
    assert np.isnan(Calibration.parse(CONTENT).error_probability(np.array([np.nan], dtype=np.float32)))[0]


@pytest.mark.parametrize(("center", "low", "high"), [("mask", 2.0, 4.0), ("expected", 2.2, 4.2)])
def test_volume_interval_lies_around_its_center(
    content: dict[str, Any], center: str, low: float, high: float
) -> None:
    content["volumes"][0]["center"] = center
    assert Calibration.parse(content).volume_interval_ml(SCORES) == pytest.approx((low, high))


def test_volume_interval_is_clipped_at_zero() -> None:
    small = replace(SCORES, volume_ml=0.5)
    assert Calibration.parse(CONTENT).volume_interval_ml(small) == (0.0, pytest.approx(1.5))


def test_expected_dsc_is_that_worked_out_by_hand() -> None:
    eta = 1.5 + 0.5 * (0.85 - 0.9) / 0.05 - 0.25 * (0.06 - 0.04) / 0.02
    found = Calibration.parse(CONTENT).expected_dsc(SCORES)
    assert found == pytest.approx((logistic(eta), logistic(eta - 0.5), logistic(eta + 0.75)))


def test_extreme_scores_give_finite_figures() -> None:
    found = Calibration.parse(CONTENT).expected_dsc(replace(SCORES, mean_error=1e6))
    assert found == pytest.approx((0, 0, 0))


def test_expected_dsc_of_an_empty_mask_is_zero() -> None:
    empty = replace(SCORES, volume_ml=0.0, expected_dice=1.0, mean_error=0.0)
    assert Calibration.parse(CONTENT).expected_dsc(empty) == (0, 0, 0)
    (row,) = calibrated_rows([ROW], [empty], Calibration.parse(CONTENT))
    assert row.flag.startswith("nothing was found")


def test_missing_parts_give_no_figures() -> None:
    calibration = Calibration.parse({"schema": CONTENT["schema"], "record": RECORD})
    raw = np.array([0.3], dtype=np.float32)
    assert calibration.error_probability(raw) is raw
    assert calibration.volume_interval_ml(SCORES) is None
    assert calibration.expected_dsc(SCORES) is None
    assert calibrated_rows([ROW], [SCORES], calibration) == (ROW,)
    assert calibration.summary([ROW]) == {
        "record": RECORD,
        "error_probability": None,
        "volumes": [],
        "quality": [],
        "not_calibrated": [
            {"part": "error_probability", "label": None, "structure": None, "reason": "not fitted"},
            {"part": "volumes", "label": 1, "structure": "Front", "reason": "not fitted"},
            {"part": "quality", "label": 1, "structure": "Front", "reason": "not fitted"},
        ],
    }


def test_other_labels_have_no_interval() -> None:
    calibration, other = Calibration.parse(CONTENT), replace(SCORES, label=2)
    assert (calibration.volume_interval_ml(other), calibration.expected_dsc(other)) == (None, None)


def test_row_gets_its_numbers_and_a_flag_with_the_reason() -> None:
    (row,) = calibrated_rows([ROW], [SCORES], Calibration.parse(CONTENT))
    assert row.volume_interval_ml == pytest.approx((2.0, 4.0))
    assert row.expected_dsc_interval == pytest.approx((logistic(0.25), logistic(1.5)))
    assert row.flag == "expected DSC 0.68 (0.56-0.82), below 0.8: likely to fail"
    assert (row.name, row.mean_uncertainty) == ("Front", 0.1)


def test_structure_expected_to_be_fine_has_no_flag() -> None:
    (row,) = calibrated_rows([ROW], [replace(SCORES, expected_dice=0.95)], Calibration.parse(CONTENT))
    assert row.expected_dsc > 0.8
    assert row.flag is None


def _unusual_below(limit: float) -> Calibration:
    content = copy.deepcopy(CONTENT)
    content["quality"][0]["unusual_below"] = limit
    return Calibration.parse(content)


def test_structure_that_stands_out_and_may_have_failed_is_flagged() -> None:
    fine = replace(SCORES, mean_error=0.03, expected_dice=0.9)
    expected = Calibration.parse(CONTENT).expected_dsc(fine)
    assert expected.value > 0.8 > expected.low
    (row,) = calibrated_rows([ROW], [fine], _unusual_below(expected.value + 0.01))
    assert row.flag == (
        f"expected DSC {expected.value:.2f} ({expected.low:.2f}-{expected.high:.2f}), lower than on almost "
        "all clean images, and may be below 0.8"
    )
    (row,) = calibrated_rows([ROW], [fine], _unusual_below(expected.value - 0.01))
    assert row.flag is None


def test_unusual_structure_that_cannot_have_failed_has_no_flag() -> None:
    content = copy.deepcopy(CONTENT)
    content["quality"][0] |= {"unusual_below": 1.0, "low": -0.01}
    sure = replace(SCORES, mean_error=0.0, expected_dice=1.0)
    (row,) = calibrated_rows([ROW], [sure], Calibration.parse(content))
    assert row.expected_dsc_interval[0] > 0.8
    assert row.flag is None


def test_volume_outside_of_its_own_interval_is_explained() -> None:
    content = copy.deepcopy(CONTENT)
    content["volumes"][0] |= {"center": "expected", "quantile": 0.1}
    scores = replace(SCORES, volume_ml=2.5, mean_error=0.0, expected_dice=1.0)
    (row,) = calibrated_rows([ROW], [scores], Calibration.parse(content))
    assert row.volume_interval_ml == pytest.approx((3.15, 3.25))
    assert row.flag == (
        "its volume, 2.5 ml, lies outside of its own interval, 3.15-3.25 ml: the mask and the probabilities "
        "around it disagree"
    )


def test_structure_that_is_cut_off_has_a_flag_and_no_interval() -> None:
    rows = calibrated_rows([ROW, replace(ROW, label=2)], [SCORES, SCORES], Calibration.parse(CONTENT))
    first, second = with_cut_off(rows, {1: "reaches the image's border"})
    assert first.volume_interval_ml is None
    assert first.flag == f"reaches the image's border; {rows[0].flag}"
    assert second == rows[1]


def test_case_is_as_good_as_its_worst_structure() -> None:
    rows = [replace(ROW, expected_dsc=value) for value in (0.9, None, 0.7)]
    assert case_quality(rows) == 0.7
    assert case_quality([ROW]) is None


def test_summary_has_the_figures_of_the_cross_validation() -> None:
    assert Calibration.parse(CONTENT).summary([ROW]) == {
        "record": RECORD,
        "error_probability": {"ece_after": 0.02, "curve": "isotonic"},
        "volumes": [{"label": 1, "level": 0.9, "coverage": 0.91, "cases": 80}],
        "quality": [{"label": 1, "level": 0.9, "coverage": 0.9, "mean_absolute_error": 0.03, "cases": 80}],
        "not_calibrated": [],
    }


FAILING = {
    "map": ("error_probability", {"ece_before": 0.25, "ece_after": 0.236}, "ECE 23.6 %"),
    "map made worse": (
        "error_probability",
        {"ece_before": 0.011, "ece_after": 0.021},
        "its curve raises the ECE by 1.0 points",
    ),
    "interval": ("volumes", {"coverage": 0.71}, "covers 71 %"),
    "expected DSC": ("quality", {"mean_absolute_error": 0.09}, "off by 0.09"),
    "its interval": ("quality", {"coverage": 0.6}, "its interval covers 60 %"),
}


@pytest.mark.parametrize("name", FAILING)
def test_part_whose_record_does_not_support_it_is_named_and_not_applied(
    content: dict[str, Any], name: str
) -> None:
    part, figures, reason = FAILING[name]
    (content[part] if part == "error_probability" else content[part][0]).update(figures)
    calibration = Calibration.parse(content)
    raw = np.array([0.3], dtype=np.float32)
    applied = {
        "error_probability": calibration.error_probability(raw) is not raw,
        "volumes": calibration.volume_interval_ml(SCORES) is not None,
        "quality": calibration.expected_dsc(SCORES) is not None,
    }
    assert applied == {each: each != part for each in applied}
    (failure,) = calibration.failed
    label = None if part == "error_probability" else 1
    assert (failure.part, failure.label) == (part, label)
    assert failure.reason == f"{reason} on patients left out"
    summary = calibration.summary([ROW])
    assert not summary[part]
    (entry,) = summary["not_calibrated"]
    assert (entry["part"], entry["reason"]) == (part, failure.reason)
    assert 1 in calibration.labels


def test_written_check_refuses_what_the_record_alone_would_not(content: dict[str, Any]) -> None:
    """Clean images and the bias are in the check only."""
    check = check_quality(0.9, 40, error=0.03, coverage=0.9, clean_error=0.03, clean_bias=-0.031)
    content["quality"][0]["check"] = check.to_json()
    (failure,) = Calibration.parse(content).failed
    assert failure.reason == "0.03 too low on clean images on patients left out"


def test_check_cannot_hide_what_the_part_recorded(content: dict[str, Any]) -> None:
    content["volumes"][0].update(coverage=0.71, check=check_interval(0.9, 40, 0.9, 0.9).to_json())
    assert [failure.part for failure in Calibration.parse(content).failed] == ["volumes"]


def test_check_that_contradicts_its_figures_is_refused(content: dict[str, Any]) -> None:
    check = check_map(0.25, 0.236, (0.2, 0.2)).to_json()
    content["error_probability"]["check"] = {**check, "passed": True}
    with pytest.raises(ValueError, match="error_probability: check: passed is True, its figures say False"):
        Calibration.parse(content)


@pytest.mark.parametrize(
    "limits",
    [{"low": 2.0}, {"high": math.nan}, {"high": math.inf}, {"seen": [0.9, 0.8]}, {"seen": [math.nan, 1.0]}],
)
def test_empty_range_of_the_input_is_refused(content: dict[str, Any], limits: dict[str, Any]) -> None:
    fact = {"low": 0.5, "high": 1.5, "unit": "mm", "seen": [0.8, 0.9]}
    content["input"] = {"cases": 9, "facts": {"tilt": fact}}
    assert Calibration.parse(content).input is content["input"]
    fact.update(limits)
    with pytest.raises(ValueError, match=r"input: tilt is from .* which is not a range"):
        Calibration.parse(content)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("error_probability", {"raw": [0.0, 0.2, 0.2]}),
        ("error_probability", {"calibrated": [0.1, 0.05, 0.2]}),
        ("error_probability", {"calibrated": [0.1, math.nan, 0.2]}),
        ("error_probability", {"calibrated": [0.1, 0.2, 1.1]}),
        ("volumes", {"quantile": math.inf}),
        ("volumes", {"center": "middle"}),
        ("quality", {"features": ["volume_ml", "label"]}),
        ("quality", {"scale": [1.0, 0.0]}),
        ("quality", {"center": [1.0]}),
        ("quality", {"intercept": math.nan}),
        ("quality", {"low": 0.1}),
    ],
)
def test_numbers_that_cannot_be_used_are_refused(
    content: dict[str, Any], part: str, changes: dict[str, Any]
) -> None:
    target = content[part] if part == "error_probability" else content[part][0]
    target.update(changes)
    with pytest.raises(ValueError, match=part):
        Calibration.parse(content)
