"""Differences of groups of networks: luck of patients and of training, drawn both."""

from __future__ import annotations

import numpy as np
import pytest

from trustseg_training.measures.statistics import bootstrap_mean, difference_over_seeds


def _networks(generator: np.random.Generator, number: int, luck: float, patients: int = 20) -> np.ndarray:
    """(networks, patients, 1): what a training is worth, and by how much it is off in each patient."""
    own = generator.normal(0, luck, (number, 1))
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


def test_what_all_networks_share_of_a_patient_widens_nothing():
    """Other patients for the other group would make hard patients look like a difference of methods."""
    generator = np.random.default_rng(1)
    hard = generator.normal(0.7, 0.2, (1, 25, 1))
    found = difference_over_seeds(hard + np.zeros((3, 1, 1)), hard + np.full((4, 1, 1), 0.01))
    assert (found.value, found.low, found.high) == pytest.approx((-0.01,) * 3)


def test_both_sides_have_their_own_luck_of_training():
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
def test_interval_covers_a_difference_of_none_about_as_often_as_it_says(trainings):
    """Patients alone would hold it in 70 % of the cases."""
    generator = np.random.default_rng(2)
    covered = 0
    for seed in range(150):
        sides = (_networks(generator, trainings, 0.01) for _ in range(2))
        found = difference_over_seeds(*sides, seed=seed, resamples=300)
        covered += found.low <= 0 <= found.high
    assert 0.86 * 150 <= covered <= 0.995 * 150


def test_statistic_is_of_the_means_of_drawn_patients_and_not_a_mean_of_patients():
    values = np.array([[[1.0, 2.0], [3.0, 2.0], [0.0, 8.0]]])
    found = difference_over_seeds(
        values, np.array([[[0.0, 1.0]] * 3]), lambda means: means[..., 0] / means[..., 1]
    )
    assert found.value == pytest.approx(4 / 12)
    assert 0 <= found.low < 4 / 12 < found.high <= 1.5


def test_seed_decides_and_one_patient_has_no_interval():
    generator = np.random.default_rng(3)
    sides = [_networks(generator, 3, 0.02) for _ in range(2)]
    assert difference_over_seeds(*sides, seed=4) == difference_over_seeds(*sides, seed=4)
    assert difference_over_seeds(*sides, seed=4) != difference_over_seeds(*sides, seed=5)
    alone = difference_over_seeds(*(side[:, :1] for side in sides))
    assert (alone.low, alone.high) == (None, None)
