"""Intervals and tests against closed forms, another implementation and their own definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from trustseg_training.metrics import paired_difference
from trustseg_training.metrics.error_detection import auroc
from trustseg_training.metrics.statistics import (
    bootstrap_mean,
    bootstrap_statistic,
    difference_over_seeds,
    holm,
)


def test_interval_has_the_width_that_theory_gives_and_repeats_with_its_seed():
    values = np.random.default_rng(0).normal(0.8, 0.1, 200)
    mean = bootstrap_mean(values, seed=3)
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert mean.value == pytest.approx(values.mean())
    assert mean.high - mean.low == pytest.approx(2 * half, rel=0.06)
    assert bootstrap_mean(values, seed=3) == mean
    assert bootstrap_mean(values, seed=4) != mean


def test_interval_of_the_mean_has_its_nominal_coverage():
    generator = np.random.default_rng(1)
    intervals = [bootstrap_mean(generator.normal(0, 1, 40), seed, resamples=400) for seed in range(200)]
    covered = sum(interval.low <= 0 <= interval.high for interval in intervals)
    assert 178 <= covered <= 198


def test_one_patient_has_only_a_mean():
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


def test_equal_models_have_a_difference_of_zero_and_a_p_value_of_one():
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


def _patients(number: int, seed: int = 0, cases: int = 1) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {f"p{i:03}": generator.normal(i % 7, 0.1, cases) for i in range(number)}


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _failure(cases: np.ndarray) -> float | None:
    return auroc(cases[:, 0], cases[:, 1] > 0)


def test_interval_of_a_mean_is_that_of_the_mean_and_of_scipy():
    patients = _patients(40)
    measured = bootstrap_statistic(patients, _mean, seed=1)
    values = np.concatenate(list(patients.values()))
    assert measured.value == pytest.approx(values.mean())
    other = bootstrap_mean(values, seed=2)
    assert measured.high - measured.low == pytest.approx(other.high - other.low, rel=0.1)
    median = bootstrap_statistic(patients, lambda cases: float(np.median(cases)), seed=1)
    expected = stats.bootstrap(
        (values,), np.median, method="percentile", random_state=np.random.default_rng(3)
    ).confidence_interval
    assert (median.low, median.high) == pytest.approx((expected.low, expected.high), abs=0.15)


def test_interval_depends_on_the_patients_rather_than_the_cases():
    """Cases drawn one by one would give an interval a third as wide."""
    once = {name: values[:1] for name, values in _patients(30).items()}
    often = {name: np.repeat(values, 9) for name, values in once.items()}
    few, many = (bootstrap_statistic(each, _mean, seed=0) for each in (once, often))
    assert (many.low, many.high) == pytest.approx((few.low, few.high))


def test_interval_depends_on_the_seed_alone():
    patients = _patients(20)
    measured = bootstrap_statistic(patients, _mean, seed=5, resamples=200)
    assert bootstrap_statistic(dict(reversed(patients.items())), _mean, seed=5, resamples=200) == measured
    assert bootstrap_statistic(patients, _mean, seed=6, resamples=200) != measured


def test_strata_keep_their_sizes_in_every_draw():
    patients = {f"p{i}": np.array([float(i < 4)]) for i in range(20)}
    strata = {name: bool(values[0]) for name, values in patients.items()}
    measured = bootstrap_statistic(patients, _mean, strata=strata, resamples=100)
    assert (measured.value, measured.low, measured.high) == (0.2,) * 3
    free = bootstrap_statistic(patients, _mean, resamples=100)
    assert free.low < 0.2 < free.high


def test_undefined_draws_are_counted_and_left_out():
    patients = {f"p{i}": np.array([[i / 10, float(i == 9)]]) for i in range(10)}
    measured = bootstrap_statistic(patients, _failure, seed=0)
    assert measured.value == 1
    assert measured.undefined == pytest.approx(0.9**10, abs=0.04)
    assert (measured.low, measured.high) == (1, 1)
    strata = {f"p{i}": i == 9 for i in range(10)}
    assert bootstrap_statistic(patients, _failure, strata=strata, resamples=50).undefined == 0


def test_interval_needs_mostly_defined_draws():
    patients = {"a": np.array([[0.1, 0.0]]), "b": np.array([[0.2, 1.0]])}
    calls = itertools.count()
    measured = bootstrap_statistic(
        patients, lambda cases: 0.5 if next(calls) % 3 == 0 else None, resamples=90
    )
    assert (measured.value, measured.low, measured.high) == (0.5, None, None)
    assert measured.undefined == pytest.approx(2 / 3, abs=0.02)


def test_interval_needs_a_value_and_two_patients():
    absent = bootstrap_statistic({"a": np.array([[0.1, 0.0]]), "b": np.array([[0.2, 0.0]])}, _failure)
    assert (absent.value, absent.low, absent.high) == (None, None, None)
    alone = bootstrap_statistic({"a": np.array([0.1, 0.3])}, _mean)
    assert (alone.value, alone.low, alone.high) == (pytest.approx(0.2), None, None)
    with pytest.raises(ValueError, match="at least one patient"):
        bootstrap_statistic({}, _mean)


def test_interval_of_a_statistic_has_its_nominal_coverage():
    generator = np.random.default_rng(1)
    covered = 0
    for seed in range(100):
        patients = {f"p{i}": generator.normal(0, 1) + generator.normal(0, 0.1, 3) for i in range(25)}
        measured = bootstrap_statistic(patients, _mean, seed, resamples=100)
        covered += measured.low <= 0 <= measured.high
    assert 84 <= covered <= 99


def test_four_tests_are_corrected_as_worked_out_by_hand():
    # .005 x 4, .01 x 3, .03 x 2; .04 x 1 would fall below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_missing_tests_stay_none_and_are_left_out_of_the_number():
    assert holm([None, 0.02, None, 0.04]) == [None, pytest.approx(0.04), None, pytest.approx(0.04)]
    assert holm([None]) == [None]
    assert holm([]) == []


def test_corrected_value_is_at_least_its_own_and_at_most_one():
    values = np.random.default_rng(0).random(20).tolist()
    corrected = holm(values)
    assert max(corrected) == 1
    assert all(after >= before for before, after in zip(values, corrected, strict=True))


def test_decisions_are_those_of_holms_step_down_procedure():
    generator = np.random.default_rng(2)
    for level in (0.01, 0.05, 0.2):
        values = (generator.random(12) ** 3).tolist()
        rejected: set[int] = set()
        for step, place in enumerate(np.argsort(values)):
            if values[place] > level / (12 - step):
                break
            rejected.add(int(place))
        assert {place for place, p in enumerate(holm(values)) if p <= level} == rejected


def test_correction_rejects_at_least_as_much_as_that_of_bonferroni():
    values = [0.001, 0.2, 0.013, 0.04]
    assert all(a <= min(1, 4 * p) for a, p in zip(holm(values), values, strict=True))


@pytest.mark.parametrize("value", [1.2, -0.1, float("nan")])
def test_values_outside_0_and_1_are_refused(value):
    with pytest.raises(ValueError, match="p-value"):
        holm([0.5, value])


def _networks(generator: np.random.Generator, number: int, spread: float, patients: int = 20) -> np.ndarray:
    """(networks, patients, 1): what a training is worth, and by how much it is off in each patient."""
    own = generator.normal(0, spread, (number, 1))
    return (own + generator.normal(0, 0.015, (number, patients)))[..., None]


def test_value_is_the_mean_over_networks_then_patients_of_the_difference():
    values = np.array([[0.9, 0.7], [0.7, 0.5]])[..., None]
    reference = np.array([[0.5, 0.7]])[..., None]
    assert difference_over_seeds(values, reference).value == pytest.approx(0.1)


def test_one_network_on_each_side_has_the_interval_of_paired_patients():
    generator = np.random.default_rng(0)
    values, reference = (generator.normal(0.8, 0.1, (1, 30, 1)) for _ in range(2))
    found = difference_over_seeds(values, reference, resamples=10_000)
    paired = bootstrap_mean((values - reference)[0, :, 0], seed=1)
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high), abs=0.004)


def test_patient_effects_shared_by_all_networks_cancel():
    """Other patients for the other group would make hard patients look like a difference of methods."""
    generator = np.random.default_rng(1)
    hard = generator.normal(0.7, 0.2, (1, 25, 1))
    found = difference_over_seeds(hard + np.zeros((3, 1, 1)), hard + np.full((4, 1, 1), 0.01))
    assert (found.value, found.low, found.high) == pytest.approx((-0.01,) * 3)


def test_interval_includes_seed_variation_of_both_sides():
    """Drawn together, two alike groups would never differ."""
    values = np.tile(np.array([0.8, 0.9])[:, None, None], (1, 5, 1))
    found = difference_over_seeds(values, values)
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -0.1, 0.1))


def test_one_training_less_than_there_are_is_drawn():
    """Four of four make the interval too narrow by sqrt(3 / 4); here it would reach to 3 / 4."""
    values = np.tile(np.array([0.0, 0.0, 0.0, 1.0])[:, None, None], (1, 5, 1))
    found = difference_over_seeds(values, np.zeros((1, 5, 1)), resamples=10_000)
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.0, 2 / 3))


@pytest.mark.parametrize("trainings", [3, 5])
def test_interval_of_a_zero_difference_has_its_nominal_coverage(trainings):
    """Patients alone would hold it in 70 % of the cases."""
    generator = np.random.default_rng(2)
    covered = 0
    for seed in range(150):
        sides = (_networks(generator, trainings, 0.01) for _ in range(2))
        found = difference_over_seeds(*sides, seed=seed, resamples=300)
        covered += found.low <= 0 <= found.high
    assert 0.86 * 150 <= covered <= 0.995 * 150


def test_statistic_is_computed_from_the_means_of_drawn_patients():
    values = np.array([[[1.0, 2.0], [3.0, 2.0], [0.0, 8.0]]])
    found = difference_over_seeds(
        values, np.array([[[0.0, 1.0]] * 3]), lambda means: means[..., 0] / means[..., 1]
    )
    assert found.value == pytest.approx(4 / 12)
    assert 0 <= found.low < 4 / 12 < found.high <= 1.5


def test_seed_determines_the_interval_which_needs_two_patients():
    generator = np.random.default_rng(3)
    sides = [_networks(generator, 3, 0.02) for _ in range(2)]
    assert difference_over_seeds(*sides, seed=4) == difference_over_seeds(*sides, seed=4)
    assert difference_over_seeds(*sides, seed=4) != difference_over_seeds(*sides, seed=5)
    alone = difference_over_seeds(*(side[:, :1] for side in sides))
    assert (alone.low, alone.high) == (None, None)
