"""Fraction and remaining time of a run, by a clock of the test's own."""

from __future__ import annotations

import pytest

from TrustSegLib.worker.estimate import Estimate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(estimate: Estimate, clock: Clock, patches: int = 10, seconds: float = 2.0) -> list:
    steps = []
    clock.now += 0.1
    steps.append(estimate.update("prepare", 1, 1))
    for done in range(1, patches + 1):
        clock.now += seconds
        steps.append(estimate.update("predict", done, patches))
    steps.append(estimate.update("restore", 1, 1))
    steps.append(estimate.update("measure", 1, 1))
    return [step for step in steps if step is not None]


def test_the_fraction_never_goes_back_and_ends_at_one():
    clock = Clock()
    steps = run(Estimate(clock), clock)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert fractions[6] == pytest.approx(0.5, abs=0.1)  # the prediction is nearly all of it
    assert steps[-1].remaining_seconds == 0.0


def test_the_remaining_time_is_unknown_first_and_then_by_the_measured_rate():
    clock = Clock()
    steps = run(Estimate(clock), clock)
    assert steps[0].remaining_seconds is None
    assert steps[5].remaining_seconds == pytest.approx(10.0, rel=0.2)


def test_the_stage_is_the_one_that_is_going_on():
    clock = Clock()
    assert [step.stage for step in run(Estimate(clock), clock, patches=2)] == [
        "predict",
        "predict",
        "restore",
        "measure",
        "measure",
    ]


def test_a_new_start_goes_on_from_where_the_bar_is():
    clock = Clock()
    estimate = Estimate(clock)
    clock.now += 1.0
    estimate.update("prepare", 1, 1)
    clock.now += 1.0
    before = estimate.update("predict", 1, 2).fraction
    estimate.restart()
    fractions = [step.fraction for step in run(estimate, clock)]
    assert before <= fractions[0] <= min(fractions[1:])
    assert fractions[-1] == 1.0


def test_quick_reports_are_not_all_passed_on():
    clock = Clock()
    steps = run(Estimate(clock), clock, patches=1000, seconds=0.001)
    assert len(steps) < 40
