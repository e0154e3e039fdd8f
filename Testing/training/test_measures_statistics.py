"""Bootstrap of any statistic of cases, and the correction for several tests."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from trustseg_training.measures import bootstrap_mean
from trustseg_training.measures.error_detection import auroc
from trustseg_training.measures.statistics import bootstrap_statistic, holm


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


def test_more_cases_of_the_same_patients_do_not_narrow_the_interval():
    """Cases drawn one by one would give an interval a third as wide."""
    once = {name: values[:1] for name, values in _patients(30).items()}
    often = {name: np.repeat(values, 9) for name, values in once.items()}
    few, many = (bootstrap_statistic(each, _mean, seed=0) for each in (once, often))
    assert (many.low, many.high) == pytest.approx((few.low, few.high))


def test_seed_decides_and_the_order_of_patients_does_not():
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


def test_draws_without_a_value_are_counted_and_left_out():
    patients = {f"p{i}": np.array([[i / 10, float(i == 9)]]) for i in range(10)}
    measured = bootstrap_statistic(patients, _failure, seed=0)
    assert measured.value == 1
    assert measured.undefined == pytest.approx(0.9**10, abs=0.04)
    assert (measured.low, measured.high) == (1, 1)
    strata = {f"p{i}": i == 9 for i in range(10)}
    assert bootstrap_statistic(patients, _failure, strata=strata, resamples=50).undefined == 0


def test_mostly_undefined_draws_give_no_interval():
    patients = {"a": np.array([[0.1, 0.0]]), "b": np.array([[0.2, 1.0]])}
    calls = itertools.count()
    measured = bootstrap_statistic(
        patients, lambda cases: 0.5 if next(calls) % 3 == 0 else None, resamples=90
    )
    assert (measured.value, measured.low, measured.high) == (0.5, None, None)
    assert measured.undefined == pytest.approx(2 / 3, abs=0.02)


def test_a_statistic_without_a_value_or_of_one_patient_has_no_interval():
    absent = bootstrap_statistic({"a": np.array([[0.1, 0.0]]), "b": np.array([[0.2, 0.0]])}, _failure)
    assert (absent.value, absent.low, absent.high) == (None, None, None)
    alone = bootstrap_statistic({"a": np.array([0.1, 0.3])}, _mean)
    assert (alone.value, alone.low, alone.high) == (pytest.approx(0.2), None, None)
    with pytest.raises(ValueError, match="at least one patient"):
        bootstrap_statistic({}, _mean)


def test_interval_covers_the_true_value_about_as_often_as_it_says():
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


def test_what_was_not_tested_is_none_and_counts_as_no_test():
    assert holm([None, 0.02, None, 0.04]) == [None, pytest.approx(0.04), None, pytest.approx(0.04)]
    assert holm([None]) == [None]
    assert holm([]) == []


def test_a_corrected_value_is_at_most_one_and_never_below_its_own():
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


def test_a_correction_never_rejects_less_than_that_of_bonferroni():
    values = [0.001, 0.2, 0.013, 0.04]
    assert all(a <= min(1, 4 * p) for a, p in zip(holm(values), values, strict=True))


@pytest.mark.parametrize("value", [1.2, -0.1, float("nan")])
def test_what_is_no_p_value_is_refused(value):
    with pytest.raises(ValueError, match="p-value"):
        holm([0.5, value])
