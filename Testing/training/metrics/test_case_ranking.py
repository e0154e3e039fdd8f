"""Case ranking against cases worked out by hand, scipy, torchmetrics and every order of tied cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, rankdata
from torchmetrics.functional.classification import binary_auroc

from trustseg_training.metrics.case_ranking import (
    aurc,
    excess_aurc,
    failure_auroc,
    growth,
    rank_correlation,
    relative_change,
    risk_coverage,
)


def _cases(seed: int, number: int = 40) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    dice = generator.uniform(0.4, 0.95, number)
    return 1 - dice + generator.normal(0, 0.1, number), dice


def test_curve_of_four_cases_is_the_one_worked_out_by_hand():
    curve = risk_coverage(np.array([0.9, 0.1, 0.5, 0.3]), np.array([0.8, 0.2, 0.1, 0.3]))
    assert curve.coverage == pytest.approx([0.25, 0.5, 0.75, 1])
    assert curve.risk == pytest.approx([0.2, 0.5 / 2, 0.6 / 3, 1.4 / 4])
    assert curve.area == pytest.approx((0.2 + 0.25 + 0.2 + 0.35) / 4)


def test_excess_is_the_difference_to_the_best_order():
    uncertainty, risk = np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.1, 0.2])
    best = (0.1 + 0.3 / 2 + 0.6 / 3) / 3
    assert excess_aurc(uncertainty, risk) == pytest.approx((0.3 + 0.4 / 2 + 0.6 / 3) / 3 - best)
    assert excess_aurc(risk * 7, risk) == 0


def test_tied_cases_are_kept_in_every_order_alike():
    uncertainty, risk = np.array([0.1, 0.5, 0.5, 0.5, 0.9]), np.array([0.4, 0.0, 0.6, 0.3, 0.2])
    orders = [[0, *middle, 4] for middle in itertools.permutations((1, 2, 3))]
    curves = [np.cumsum(risk[order]) / np.arange(1, 6) for order in orders]
    assert risk_coverage(uncertainty, risk).risk == pytest.approx(np.mean(curves, axis=0))
    shuffled = [3, 0, 2, 4, 1]
    assert aurc(uncertainty[shuffled], risk[shuffled]) == pytest.approx(aurc(uncertainty, risk))


def test_a_score_of_one_value_has_the_mean_risk_of_all_cases():
    _, dice = _cases(0)
    assert aurc(np.zeros(40), 1 - dice) == pytest.approx((1 - dice).mean())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_useful_score_lies_between_the_best_and_a_random_order(seed):
    uncertainty, dice = _cases(seed)
    risk = 1 - dice
    assert aurc(risk, risk) <= aurc(uncertainty, risk) < risk.mean() < aurc(-uncertainty, risk)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_failure_detection_agrees_with_torchmetrics(seed):
    uncertainty, dice = _cases(seed)
    failed = torch.from_numpy(dice < 0.8).int()
    # Scores outside of [0, 1] would be passed through a sigmoid there.
    expected = binary_auroc(torch.from_numpy(rankdata(uncertainty) / 100), failed)
    assert failure_auroc(uncertainty, dice) == pytest.approx(float(expected), rel=1e-5)


def test_failure_is_a_dice_below_the_threshold_and_needs_cases_of_both_kinds():
    uncertainty, dice = np.array([0.1, 0.2, 0.3]), np.array([0.9, 0.6, 0.7])
    assert failure_auroc(uncertainty, dice, 0.7) == pytest.approx(0.5)  # .7 itself has not failed
    assert failure_auroc(uncertainty, dice) == 1
    assert failure_auroc(uncertainty, dice, 0.95) is None
    assert failure_auroc(uncertainty, dice, 0.5) is None


@pytest.mark.parametrize("seed", [0, 1])
def test_rank_correlation_is_the_correlation_of_ranks(seed):
    uncertainty, dice = _cases(seed)
    uncertainty = uncertainty.round(1)
    expected = pearsonr(rankdata(uncertainty), rankdata(dice)).statistic
    assert rank_correlation(uncertainty, dice) == pytest.approx(expected)
    assert rank_correlation(1 - dice**3, dice) == pytest.approx(-1)


def test_constant_cases_have_an_undefined_rank_correlation():
    assert rank_correlation(np.full(3, 0.2), np.array([0.5, 0.6, 0.7])) is None
    assert rank_correlation(np.array([0.5, 0.6, 0.7]), np.full(3, 0.2)) is None
    assert rank_correlation(np.array([0.5]), np.array([0.2])) is None


def test_chain_grows_if_every_step_does():
    chains = [[0.1, 0.2, 0.3], [0.1, 0.3, 0.29], [0.1, 0.1, 0.2], [0.3, 0.2, 0.1]]
    measured = growth(chains)
    assert (measured.growing, measured.chains, measured.share) == (1, 4, 0.25)


def test_growth_excludes_a_constant_uncertainty():
    assert growth([[0.5] * 5]).share == 0


def test_severities_without_a_value_are_left_out():
    measured = growth([[0.1, None, 0.3], [0.3, None, 0.1], [None, 0.2], [], [None, None]])
    assert (measured.growing, measured.chains) == (1, 2)
    assert growth([[0.1]]).share is None


def test_brightness_control_is_relative():
    assert relative_change(0.04, 0.05) == pytest.approx(0.25)
    assert relative_change(0.05, 0.04) == pytest.approx(-0.2)
    assert relative_change(0.0, 0.1) is None


@pytest.mark.parametrize(
    ("uncertainty", "outcome"),
    [
        (np.zeros(0), np.zeros(0)),
        (np.zeros(3), np.zeros(2)),
        (np.array([0.1, np.nan]), np.array([0.2, 0.3])),
        (np.array([0.1, 0.2]), np.array([np.nan, 0.3])),
    ],
    ids=["none", "other cases", "uncertainty", "outcome"],
)
@pytest.mark.parametrize("measure", [aurc, excess_aurc, failure_auroc, rank_correlation])
def test_invalid_cases_are_refused(measure, uncertainty, outcome):
    with pytest.raises(ValueError, match="case"):
        measure(uncertainty, outcome)


def test_chain_with_an_undefined_value_is_refused():
    with pytest.raises(ValueError, match="finite"):
        growth([[0.1, float("nan")]])
