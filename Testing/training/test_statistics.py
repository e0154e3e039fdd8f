"""Intervals and tests against closed forms, another implementation and their own definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from trustseg_training.measures import bootstrap_mean, paired_difference


def test_interval_has_the_width_that_theory_gives_and_repeats_with_its_seed():
    values = np.random.default_rng(0).normal(0.8, 0.1, 200)
    mean = bootstrap_mean(values, seed=3)
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert mean.value == pytest.approx(values.mean())
    assert mean.high - mean.low == pytest.approx(2 * half, rel=0.06)
    assert bootstrap_mean(values, seed=3) == mean
    assert bootstrap_mean(values, seed=4) != mean


def test_interval_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    intervals = [bootstrap_mean(generator.normal(0, 1, 40), seed, resamples=400) for seed in range(200)]
    covered = sum(interval.low <= 0 <= interval.high for interval in intervals)
    assert 178 <= covered <= 198


def test_one_patient_has_a_mean_but_no_interval_and_no_test():
    assert bootstrap_mean(np.array([0.7])).low is None
    assert paired_difference(np.array([0.7]), np.array([0.6])).p_value is None


def test_signed_rank_test_is_the_share_of_sign_patterns_that_are_as_extreme():
    values, reference = (
        np.array([0.91, 0.82, 0.75, 0.93, 0.64, 0.88]),
        np.array([0.90, 0.85, 0.71, 0.88, 0.58, 0.81]),
    )
    difference = values - reference
    ranks = np.argsort(np.argsort(np.abs(difference))) + 1
    observed = abs((np.sign(difference) * ranks).sum())
    patterns = [abs((np.array(signs) * ranks).sum()) for signs in itertools.product((-1, 1), repeat=6)]
    expected = np.mean([total >= observed for total in patterns])
    measured = paired_difference(values, reference)
    assert measured.p_value == pytest.approx(expected)
    assert measured.mean.value == pytest.approx(difference.mean())


def test_models_that_agree_everywhere_do_not_differ():
    same = paired_difference(np.array([0.5, 0.6, 0.7]), np.array([0.5, 0.6, 0.7]))
    assert (same.mean.value, same.mean.low, same.mean.high, same.p_value) == (0, 0, 0, 1)


def test_pairing_sees_a_small_gain_that_patients_differences_hide():
    generator = np.random.default_rng(2)
    reference = generator.uniform(0.3, 0.9, 30)
    values = reference + generator.normal(0.02, 0.005, 30)
    difference = paired_difference(values, reference)
    assert difference.mean.low > 0
    assert difference.p_value < 0.001
    assert bootstrap_mean(values).low < reference.mean()
