"""What training minimizes, against plain losses, samples and hand-worked values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trustseg_training import objective
from trustseg_training.evaluation import dice, hd95, summarize
from TrustSegLib.moments import LogitMoments


def _logits(scale: float) -> LogitMoments:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(2, 3, 2, 3, 4, generator=generator)
    root = torch.randn(2, 3, 3, 2, 3, 4, generator=generator) * scale
    return LogitMoments(mean, torch.einsum("bij...,bkj...->bik...", root, root))


def test_without_variance_the_expected_losses_are_the_plain_ones():
    logits, target = _logits(0.0), torch.randint(0, 3, (2, 2, 3, 4))
    for expected, plain in zip(
        objective.expected_losses(logits, target, 4), objective.plain_losses(logits.mean, target), strict=True
    ):
        torch.testing.assert_close(expected, plain, atol=1e-5, rtol=0)


def test_expected_cross_entropy_is_that_of_independent_samples():
    logits, target = _logits(1.0), torch.randint(0, 3, (2, 2, 3, 4))
    expected, _ = objective.expected_losses(logits, target, 4096)
    matrices = logits.covariance.movedim((1, 2), (-2, -1)).double() + 1e-9 * torch.eye(3)
    posterior = torch.distributions.MultivariateNormal(logits.mean.movedim(1, -1).double(), matrices)
    draws = posterior.sample((2000,)).movedim(-1, 2)
    sampled = F.cross_entropy(draws.flatten(0, 1), target.repeat(2000, 1, 1, 1))
    assert expected.item() == pytest.approx(sampled.item(), rel=0.03)


def test_antithetic_normals_have_no_odd_moments():
    normals = objective.antithetic_normals(8, 3, seed=0)
    assert normals.shape == (8, 3)
    assert normals.sum(0).abs().max() < 1e-6


def test_divergence_is_scaled_by_images_and_voxels():
    divergence = objective.tempered_divergence(torch.tensor(1000.0), images=10, voxels=20, kl_weight=0.5)
    assert divergence.item() == pytest.approx(2.5)


def test_dice_loss_of_a_perfect_answer_is_zero_and_leaves_the_background_out():
    target = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    target[0, :2] = 1
    p = F.one_hot(target, 2).movedim(-1, 1).float()
    assert objective.dice_loss(p, target).item() == pytest.approx(0, abs=1e-4)
    assert objective.dice_loss(p.flip(1), target).item() == pytest.approx(1, abs=1e-2)


def test_dice_and_hd95_of_shifted_cubes():
    truth = np.zeros((12, 12, 12), bool)
    truth[2:6, 2:6, 2:6] = True
    shifted = np.roll(truth, 2, axis=2)
    assert dice(shifted, truth) == pytest.approx(0.5)
    assert hd95(shifted, truth, (3.0, 1.0, 1.0)) == pytest.approx(6.0)
    assert hd95(np.roll(truth, 2, axis=0), truth, (3.0, 1.0, 1.0)) == pytest.approx(2.0)


def test_empty_masks_are_defined():
    empty, full = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    assert dice(empty, empty) == 1.0
    assert dice(empty, full) == 0.0
    assert hd95(empty, full, (1.0, 1.0, 1.0)) is None
    rows = [
        {"patient": "a", "structure": "s", "dice": 0.0, "hd95_mm": None},
        {"patient": "b", "structure": "s", "dice": 1.0, "hd95_mm": 2.0},
    ]
    summary = summarize(rows)["s"]
    assert summary["dice_mean"] == 0.5
    assert summary["dice_std"] == pytest.approx(math.sqrt(0.5))
    assert (summary["hd95_mm_mean"], summary["hd95_missing"]) == (2.0, 1)
