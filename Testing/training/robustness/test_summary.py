"""The ranking of the pool of cases, on tables made by hand."""

from __future__ import annotations

import pandas
import pytest

from trustseg_training.corruptions import parse
from trustseg_training.robustness.suite import Suite
from trustseg_training.robustness.summary import _brightness, _ladders, chains

SUITE = Suite(
    "own",
    "Own",
    tuple(
        parse(key) for key in ("gaussian-4dB", "gaussian-15dB", "motion-3", "motion-1", "gain-3", "gain-1")
    ),
)


def cases(**scores: dict[str, float]) -> pandas.DataFrame:
    rows = [
        {"case": case, "condition": condition, "score_x": value}
        for case, values in scores.items()
        for condition, value in values.items()
    ]
    return pandas.DataFrame(rows)


def test_ladder_rises_from_clean_to_worst_without_brightness():
    assert list(_ladders(SUITE)) == [
        ["clean", "gaussian-15dB", "gaussian-4dB"],
        ["clean", "motion-1", "motion-3"],
    ]


def test_chain_has_the_scores_of_one_image_in_order_of_severity():
    table = cases(
        a={"gaussian-4dB": 3, "clean": 1, "gaussian-15dB": 2},
        b={"clean": 4, "gaussian-15dB": 6, "gaussian-4dB": 5},
    )
    assert chains(table, "score_x", SUITE) == [[1, 2, 3], [4, 6, 5]]


def test_image_with_a_missing_step_has_no_chain():
    table = cases(a={"clean": 1, "gaussian-15dB": 2}, b={"clean": 4, "gaussian-15dB": 6, "gaussian-4dB": 5})
    assert chains(table, "score_x", SUITE) == [[4, 6, 5]]


def test_brightness_is_the_relative_change_of_the_mean():
    table = cases(
        a={"clean": 1.0, "gain-1": 1.1, "motion-1": 5}, b={"clean": 3.0, "gain-1": 3.3, "motion-1": 5}
    )
    assert dict(_brightness(table, "score_x")) == {"gain-1": pytest.approx(0.1)}
