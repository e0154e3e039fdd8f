"""The budget that becomes epochs: with times that are given, not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trustseg_training.auto.schedule import Costs, Sizes, schedule
from trustseg_training.training import Times

SIZES = Sizes(images=227, validation=66, least=18, conditions=9, steps=40, megavoxels=0.06)
COSTS = Costs(reading=10.0, twin=Times(0.3, 0.1), vdp=Times(0.8, 0.25))
MINUTE = 60.0


@pytest.mark.parametrize("minutes", [20, 90, 480])
def test_everything_together_fits_the_budget_and_uses_most_of_it(minutes):
    total = sum(schedule(minutes * MINUTE, COSTS, SIZES).seconds.values())
    assert 0.75 * minutes * MINUTE < total <= minutes * MINUTE


def test_slow_computer_gets_fewer_epochs_in_the_same_time():
    slow = replace(COSTS, twin=Times(3.0, 0.1), vdp=Times(8.0, 0.25))
    fast, slowly = (schedule(90 * MINUTE, costs, SIZES) for costs in (COSTS, slow))
    assert 8 < fast.twin.count / slowly.twin.count < 13
    assert 8 < fast.vdp.count / slowly.vdp.count < 13
    assert sum(slowly.seconds.values()) <= 90 * MINUTE


def test_twin_has_the_larger_part_of_the_training():
    found = schedule(90 * MINUTE, COSTS, SIZES)
    assert found.seconds["twin"] == pytest.approx(1.5 * found.seconds["vdp"], rel=0.1)


def test_validations_take_a_tenth_of_a_training_at_most_and_the_last_epoch_has_one():
    costly = replace(COSTS, twin=Times(0.3, 2.0))
    found = schedule(90 * MINUTE, costly, SIZES)
    validations = found.twin.count / found.twin.every
    assert validations == int(validations) >= 1
    assert validations * SIZES.validation * 2.0 <= 0.1 * found.seconds["twin"] + 1e-6


def test_calibration_of_large_images_leaves_images_out_but_never_the_first_ten_patients():
    large = replace(COSTS, vdp=Times(0.8, 60.0))
    assert schedule(90 * MINUTE, COSTS, SIZES).cases == SIZES.validation
    assert schedule(90 * MINUTE, large, SIZES).cases == SIZES.least


def test_budget_that_is_too_short_still_trains_an_epoch_of_both():
    found = schedule(1.0, COSTS, SIZES)
    assert (found.twin.count, found.vdp.count) == (1, 1)
    assert sum(found.seconds.values()) > 10


def test_night_on_a_fast_computer_has_an_end():
    quick = Costs(0.1, Times(0.001, 0.001), Times(0.002, 0.002))
    found = schedule(480 * MINUTE, quick, SIZES)
    assert max(found.twin.count, found.vdp.count) * SIZES.steps <= 40_000
