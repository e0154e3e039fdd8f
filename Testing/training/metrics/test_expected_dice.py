"""Dice without the truth, and surface Dice, against hand-computed cases, samples, MONAI and SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.losses import DiceLoss
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from trustseg_training.metrics.expected_dice import expected_dice, pairwise_dice
from trustseg_training.metrics.mask_agreement import dice, surface_dice

SPACING = (0.5, 1.0, 2.0)


def _probability(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(16.0),) * 3, indexing="ij"))
    distance = np.sqrt(((grid - 8) ** 2).sum(0)) + generator.normal(0, 0.5, (16, 16, 16))
    return 1 / (1 + np.exp(2 * (distance - 5)))


def _masks(seed: int, number: int) -> list[np.ndarray]:
    probability, generator = _probability(seed), np.random.default_rng(seed)
    return [generator.random(probability.shape) < probability for _ in range(number)]


def test_three_voxels_have_the_expected_dice_worked_out_by_hand():
    probability, mask = np.array([[[0.9, 0.6, 0.3]]]), np.array([[[True, True, False]]])
    assert expected_dice(probability, mask) == pytest.approx(2 * 1.5 / (2 + 1.8))


@pytest.mark.parametrize("seed", [0, 1])
def test_expected_dice_is_the_mean_over_truths_drawn_from_the_probabilities(seed):
    probability = _probability(seed)
    mask = probability > 0.5
    drawn = np.mean([dice(mask, truth) for truth in _masks(seed, 200)])
    assert expected_dice(probability, mask) == pytest.approx(drawn, abs=0.003)


def test_expected_dice_agrees_with_the_soft_dice_of_monai():
    probability = _probability(2).astype(np.float32)
    mask = probability > 0.5
    loss = DiceLoss(smooth_nr=0, smooth_dr=0)
    soft = loss(*(torch.from_numpy(each)[None, None].float() for each in (mask, probability)))
    assert expected_dice(probability, mask) == pytest.approx(1 - float(soft), rel=1e-5)


def test_certain_probabilities_give_dice_itself():
    prediction, truth = _masks(3, 2)
    assert expected_dice(truth.astype(float), prediction) == pytest.approx(dice(prediction, truth))


def test_expected_dice_of_an_empty_mask_is_defined():
    empty = np.zeros((2, 2, 2), bool)
    assert expected_dice(np.zeros((2, 2, 2)), empty) == 1
    assert expected_dice(np.full((2, 2, 2), 0.1), empty) == 0


@pytest.mark.parametrize(
    ("probability", "reason"),
    [
        (np.zeros((1, 2, 2)), "shape"),
        (np.full((2, 2, 2), 1.2), "outside"),
        (np.full((2, 2, 2), np.nan), "outside"),
    ],
)
def test_invalid_probability_of_the_mask_is_refused(probability, reason):
    with pytest.raises(ValueError, match=reason):
        expected_dice(probability, np.ones((2, 2, 2), bool))


def test_pairwise_dice_of_three_masks_is_the_one_worked_out_by_hand():
    first, second, third = (np.array([[row]], bool) for row in ([1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]))
    assert pairwise_dice([first, second, third]) == pytest.approx((0.5 + 0 + 0) / 3)
    assert pairwise_dice([first, first, second]) == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_pairwise_dice_agrees_with_simpleitk():
    masks = _masks(4, 4)
    pairs = [(masks[i], masks[j]) for i in range(4) for j in range(i)]
    expected = []
    for pair in pairs:
        overlap = sitk.LabelOverlapMeasuresImageFilter()
        overlap.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in pair))
        expected.append(overlap.GetDiceCoefficient())
    assert pairwise_dice(masks) == pytest.approx(np.mean(expected))


def test_empty_members_agree_and_a_single_member_is_refused():
    empty = np.zeros((2, 2, 2), bool)
    assert pairwise_dice([empty, empty]) == 1
    assert pairwise_dice([empty, ~empty]) == 0
    with pytest.raises(ValueError, match="at least two masks"):
        pairwise_dice([empty])


def test_surface_dice_of_shifted_cubes_is_the_one_worked_out_by_hand():
    """4 x 4 x 4 voxels, shifted by one along x: 64 - 8 border voxels each.

    Of the 48 common voxels, 8 are inside one cube, 8 inside the other and 4 of these inside both: 48 - 12
    lie on both borders. All others are one voxel away.
    """
    truth = np.zeros((12, 12, 12), bool)
    truth[2:6, 2:6, 2:6] = True
    shifted = np.roll(truth, 1, axis=2)
    assert surface_dice(shifted, truth, (1, 1, 1), 0.0) == pytest.approx(2 * 36 / 112)
    assert surface_dice(shifted, truth, (1, 1, 1), 1.0) == 1
    assert surface_dice(shifted, truth, (1.5, 1, 1), 1.0) < 1


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("tolerance", [0.5, 1.0, 2.0])
def test_surface_dice_agrees_with_nearest_neighbors_of_the_surfaces(seed, tolerance):
    grid = np.stack(np.meshgrid(*(np.arange(16.0),) * 3, indexing="ij"))
    distance = np.sqrt(((grid - 8) ** 2).sum(0))
    generator = np.random.default_rng(seed)
    prediction, truth = (distance + generator.normal(0, 0.6, distance.shape) < r for r in (4.0, 5.0))
    surfaces = [np.argwhere(m & ~binary_erosion(m)) * np.array(SPACING[::-1]) for m in (prediction, truth)]
    ways = np.concatenate([cKDTree(b).query(a)[0] for a, b in (surfaces, surfaces[::-1])])
    expected = (ways <= tolerance).mean()
    assert 0 < expected < 1
    assert surface_dice(prediction, truth, SPACING, tolerance) == pytest.approx(expected, rel=1e-5)


def test_surface_dice_of_empty_structures_is_defined():
    empty, full = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    assert surface_dice(empty, empty, SPACING) == 1
    assert surface_dice(empty, full, SPACING) == surface_dice(full, empty, SPACING) == 0
