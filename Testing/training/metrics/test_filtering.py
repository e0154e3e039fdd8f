"""Setting voxels aside: which ones, what is left of Dice, and the curves and the score of QU-BraTS."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_confusion_matrix

from trustseg_training.metrics import dice
from trustseg_training.metrics.filtering import (
    above_threshold,
    delta_dice,
    filtering_curves,
    most_uncertain,
    removal_threshold,
)
from trustseg_training.metrics.neighborhood import within

LINE = (1, 1, 8)


def _line(*values: float) -> np.ndarray:
    return np.array(values).reshape(1, 1, -1)


def _blob(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction and truth of a ball with noise, and an uncertainty that is high at the border."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(16.0),) * 3, indexing="ij"))
    distance = np.sqrt(((grid - 8) ** 2).sum(0))
    prediction, truth = (distance + generator.normal(0, 0.6, distance.shape) < radius for radius in (4.5, 5))
    return prediction, truth, np.exp(-np.abs(distance - 4.75)) * generator.uniform(0.8, 1, distance.shape)


def test_empty_prediction_has_an_empty_band():
    nothing = np.zeros((4, 4, 4), bool)
    assert not within(nothing).any()
    assert not most_uncertain(np.ones((4, 4, 4)), nothing, 0.1).any()


@pytest.mark.parametrize("fraction", [0.01, 0.02, 0.05, 0.1, 0.29])
def test_fraction_of_the_voxels_lies_above_the_threshold(fraction):
    values = np.random.default_rng(0).permutation(100) / 100
    assert (values > removal_threshold(values, fraction)).sum() == round(100 * fraction)


def test_ties_set_fewer_voxels_aside():
    values = np.array([0.1, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 1.0])
    assert (values > removal_threshold(values, 0.3)).sum() == 1
    assert (values > removal_threshold(np.full(10, 0.5), 0.3)).sum() == 8
    constant = np.full((2, 2, 2), 0.5)
    assert not most_uncertain(constant, np.ones((2, 2, 2), bool), 0.3).any()


def test_fraction_is_that_of_the_band():
    prediction, _, uncertainty = _blob(0)
    band = within(prediction)
    uncertainty[~band] = 2
    removed = most_uncertain(uncertainty, band, 0.1)
    assert removed.sum() == int(0.1 * band.sum())
    assert not (removed & ~band).any()
    assert uncertainty[removed].min() > uncertainty[band & ~removed].max()


def test_fixed_threshold_sets_aside_the_voxels_above_it_in_the_band():
    band = _line(1, 1, 1, 0).astype(bool)
    removed = above_threshold(_line(0.2, 0.5, 0.7, 0.9), band, 0.5)
    assert removed.ravel().tolist() == [False, False, True, False]


def test_voxels_set_aside_are_left_out_of_both_masks():
    prediction, truth = _line(1, 1, 1, 0, 0, 0) > 0, _line(0, 1, 1, 1, 0, 0) > 0
    # Without the false positive: 2 shared of 2 and 3.
    measured = delta_dice(prediction, truth, _line(1, 0, 0, 0, 0, 0) > 0)
    assert measured.before == pytest.approx(4 / 6)
    assert measured.after == pytest.approx(4 / 5)
    assert measured.delta == pytest.approx(4 / 5 - 4 / 6)
    # Without a voxel that is right: 1 shared of 2 and 2.
    assert delta_dice(prediction, truth, _line(0, 1, 0, 0, 0, 0) > 0).delta == pytest.approx(2 / 4 - 4 / 6)


def test_structure_set_aside_as_a_whole_has_an_undefined_dice():
    prediction, truth = _line(1, 0, 0) > 0, _line(0, 1, 0) > 0
    measured = delta_dice(prediction, truth, _line(1, 1, 0) > 0)
    assert (measured.before, measured.after, measured.delta) == (0, None, None)
    nothing = _line(0, 0, 0) > 0
    absent = delta_dice(nothing, nothing, _line(1, 1, 0) > 0)
    assert (absent.before, absent.after, absent.delta) == (1, 1, 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_uncertainty_at_the_border_raises_dice_and_its_opposite_lowers_it(seed):
    prediction, truth, uncertainty = _blob(seed)
    band = within(prediction)
    for fraction in (0.05, 0.1):
        useful = delta_dice(prediction, truth, most_uncertain(uncertainty, band, fraction))
        harmful = delta_dice(prediction, truth, most_uncertain(-uncertainty, prediction, fraction))
        assert useful.delta > 0 > harmful.delta


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 5, np.nan])
def test_fraction_outside_0_and_1_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction"):
        removal_threshold(np.arange(10.0), fraction)


@pytest.mark.parametrize("values", [np.zeros(0), np.zeros((2, 2)), np.array([0.1, np.nan])])
def test_uncertainties_without_a_threshold_are_refused(values):
    with pytest.raises(ValueError, match="uncertaint"):
        removal_threshold(values, 0.1)


def test_curves_of_eight_voxels_are_those_worked_out_by_hand():
    prediction = _line(1, 1, 1, 1, 0, 0, 0, 0) > 0
    truth = _line(1, 1, 1, 0, 1, 0, 0, 0) > 0
    uncertainty = _line(0.0, 0.3, 0.6, 0.9, 0.9, 0.0, 0.0, 0.4)
    curves = filtering_curves(prediction, truth, uncertainty, thresholds=np.array([0, 0.5, 1]))
    # Left of TP, FP, FN, TN: 1, 0, 0, 2; then 2, 0, 0, 3; then 3, 1, 1, 3.
    assert curves.dice == pytest.approx([1, 1, 6 / 8])
    assert curves.filtered_true_positives == pytest.approx([2 / 3, 1 / 3, 0])
    assert curves.filtered_true_negatives == pytest.approx([1 / 3, 0, 0])
    assert curves.areas == pytest.approx((15 / 16, 1 / 3, 1 / 12))
    assert curves.score == pytest.approx((15 / 16 + 2 / 3 + 11 / 12) / 3)


@pytest.mark.parametrize("seed", [0, 1])
def test_curves_agree_with_a_confusion_matrix_at_every_threshold(seed):
    prediction, truth, uncertainty = _blob(seed)
    region = np.zeros(truth.shape, bool)
    region[2:, :, 1:] = True
    curves = filtering_curves(prediction, truth, uncertainty, region)
    for place, threshold in enumerate(curves.thresholds):
        kept = region & (uncertainty <= threshold)
        (tn, _), (_, tp) = _confusion(prediction[kept], truth[kept])
        (all_tn, _), (_, all_tp) = _confusion(prediction[region], truth[region])
        assert curves.dice[place] == pytest.approx(dice(prediction & kept, truth & kept))
        assert curves.filtered_true_positives[place] == pytest.approx((all_tp - tp) / all_tp)
        assert curves.filtered_true_negatives[place] == pytest.approx((all_tn - tn) / all_tn)


def _confusion(prediction: np.ndarray, truth: np.ndarray) -> list[list[int]]:
    return binary_confusion_matrix(torch.from_numpy(prediction).int(), torch.from_numpy(truth).int()).tolist()


def test_score_rewards_uncertainty_at_errors():
    prediction, truth, _ = _blob(2)
    wrong = (prediction != truth).astype(float)
    right, all_doubt, opposite = (
        filtering_curves(prediction, truth, map_).score for map_ in (wrong, np.ones_like(wrong), 1 - wrong)
    )
    without = filtering_curves(prediction, truth, np.zeros_like(wrong)).score
    assert right > without > opposite
    assert without > all_doubt


def test_absent_structure_has_curves():
    nothing = np.zeros((2, 2, 2), bool)
    curves = filtering_curves(nothing, nothing, np.full((2, 2, 2), 0.3))
    assert (curves.dice == 1).all()
    assert (curves.filtered_true_positives == 0).all()
    assert curves.filtered_true_negatives[[0, -1]].tolist() == [1, 0]


@pytest.mark.parametrize("value", [1.2, -0.1, np.nan])
def test_an_uncertainty_of_another_scale_is_refused(value):
    mask = np.ones((1, 1, 2), bool)
    with pytest.raises(ValueError, match="scaled"):
        filtering_curves(mask, mask, _line(0.5, value))


def test_an_uncertainty_just_above_one_is_rounding():
    mask = np.ones((1, 1, 2), bool)
    curves = filtering_curves(mask, mask, _line(0.5, 1 + 1e-7), thresholds=np.array([0, 0.5, 1]))
    assert curves.filtered_true_positives.tolist() == [1, 0.5, 0]


@pytest.mark.parametrize("thresholds", [[0, 0.5], [0.1, 1], [0, 0.7, 0.6, 1]])
def test_thresholds_that_do_not_span_the_scale_are_refused(thresholds):
    mask = np.ones((1, 1, 2), bool)
    with pytest.raises(ValueError, match="thresholds"):
        filtering_curves(mask, mask, _line(0.5, 0.2), thresholds=np.array(thresholds))
