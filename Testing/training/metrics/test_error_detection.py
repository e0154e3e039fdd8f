"""Error detection against cases worked out by hand, torchmetrics, scipy and exhaustive search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from trustseg_training.metrics import dice
from trustseg_training.metrics.error_detection import auroc, average_precision, best_overlap, error_detection


def _voxels(seed: int, steps: int = 12, number: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainties on a few steps, so that there are many ties, and errors that go with them."""
    generator = np.random.default_rng(seed)
    uncertainty = generator.integers(0, steps, number) / steps
    return uncertainty, generator.random(number) < 0.05 + 0.5 * uncertainty


def test_five_voxels_have_the_values_worked_out_by_hand():
    found = error_detection(np.array([0.1, 0.2, 0.2, 0.8, 0.4]), np.array([False, True, False, True, False]))
    assert (found.voxels, found.errors) == (5, 2)
    # .8 is above all 3 right voxels; .2 is above one, ties with one and is below one.
    assert found.auroc == pytest.approx((3 + 1.5) / 6)
    # One of one at .8, none more at .4, two of four at .2.
    assert found.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
    # Above .8: 2 / 3; above .2: 4 / 6; above .4: 2 / 4. The higher of the two equal ones.
    assert (found.overlap, found.overlap_threshold) == (pytest.approx(2 / 3), 0.8)
    assert found.mean_correct == pytest.approx((0.1 + 0.2 + 0.4) / 3)
    assert found.mean_wrong == pytest.approx((0.2 + 0.8) / 2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_areas_agree_with_torchmetrics_and_with_the_rank_test_of_scipy(seed):
    uncertainty, wrong = _voxels(seed)
    scores, positive = torch.from_numpy(uncertainty), torch.from_numpy(wrong).int()
    assert auroc(uncertainty, wrong) == pytest.approx(float(binary_auroc(scores, positive)), rel=1e-5)
    expected = float(binary_average_precision(scores, positive))
    assert average_precision(uncertainty, wrong) == pytest.approx(expected, rel=1e-5)
    statistic = mannwhitneyu(uncertainty[wrong], uncertainty[~wrong]).statistic
    assert auroc(uncertainty, wrong) == pytest.approx(statistic / (wrong.sum() * (~wrong).sum()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_best_overlap_is_the_best_dice_of_all_thresholds(seed):
    uncertainty, wrong = _voxels(seed)
    every = {float(t): dice((uncertainty >= t)[None, None], wrong[None, None]) for t in set(uncertainty)}
    overlap, threshold = best_overlap(uncertainty, wrong)
    assert overlap == pytest.approx(max(every.values()))
    assert every[threshold] == pytest.approx(overlap)


def test_ties_are_independent_of_the_order_of_the_voxels():
    uncertainty, wrong = _voxels(3, steps=3)
    order = np.random.default_rng(0).permutation(len(wrong))
    before, after = error_detection(uncertainty, wrong), error_detection(uncertainty[order], wrong[order])
    assert before.auroc == after.auroc
    assert before.average_precision == after.average_precision
    assert before.overlap == after.overlap


def test_constant_map_detects_at_chance_level():
    wrong = np.array([True, False, False, False])
    found = error_detection(np.full(4, 0.3), wrong)
    assert found.auroc == 0.5
    assert found.average_precision == pytest.approx(found.errors / found.voxels)


def test_only_the_order_of_the_uncertainty_counts():
    uncertainty, wrong = _voxels(4)
    before, after = error_detection(uncertainty, wrong), error_detection(np.exp(5 * uncertainty) - 9, wrong)
    assert (before.auroc, before.average_precision) == (after.auroc, after.average_precision)
    assert before.overlap == after.overlap


@pytest.mark.parametrize("value", [False, True])
def test_measures_need_both_classes(value):
    found = error_detection(np.array([0.1, 0.4]), np.array([value, value]))
    assert (found.auroc, found.average_precision, found.overlap, found.overlap_threshold) == (None,) * 4
    means = (found.mean_wrong, found.mean_correct) if value else (found.mean_correct, found.mean_wrong)
    assert means == (pytest.approx(0.25), None)


def test_measures_of_no_voxel_are_undefined():
    found = error_detection(np.zeros(0), np.zeros(0, bool))
    assert (found.voxels, found.auroc, found.mean_correct, found.mean_wrong) == (0, None, None, None)


@pytest.mark.parametrize(
    ("uncertainty", "wrong", "reason"),
    [
        (np.zeros(3), np.zeros(2, bool), "two arrays"),
        (np.zeros((2, 2)), np.zeros((2, 2), bool), "two arrays"),
        (np.zeros(2), np.array([0, 1]), "bool"),
        (np.array([0.1, np.nan]), np.array([True, False]), "finite"),
    ],
)
def test_invalid_scores_are_refused(uncertainty, wrong, reason):
    with pytest.raises(ValueError, match=reason):
        error_detection(uncertainty, wrong)
