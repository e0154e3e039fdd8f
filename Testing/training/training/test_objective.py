"""What training minimizes, against plain losses, samples and hand-worked values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trustseg_training.export.exporting import summarize
from trustseg_training.metrics import dice, hd95
from trustseg_training.training import objective
from TrustSegLib.errors import OptionError
from TrustSegLib.moments import ClassMoments, LogitMoments
from TrustSegLib.networks import NetworkSpec, build


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


def test_dice_loss_of_a_perfect_prediction_is_zero_and_leaves_the_background_out():
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


def test_gaussian_likelihood_of_a_voxel_worked_out_by_hand():
    p = torch.tensor([0.7, 0.2, 0.1]).view(1, 3, 1, 1, 1)
    v = torch.tensor([0.05, 0.02, 0.0]).view(1, 3, 1, 1, 1)
    found = objective.gaussian_nll(ClassMoments(p, v), torch.zeros(1, 1, 1, 1, dtype=torch.long))
    terms = [(0.3, 0.051), (0.2, 0.021), (0.1, 0.001)]
    expected = 0.5 * sum(residual**2 / variance + math.log(variance) for residual, variance in terms)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_gaussian_likelihood_of_many_certain_classes_does_not_underflow():
    """The published code takes the logarithm of a product, which is 0 in float32 from 13 classes on."""
    classes, target = 40, torch.zeros(1, 2, 2, 2, dtype=torch.long)
    p = F.one_hot(target, classes).movedim(-1, 1).float()
    found = objective.gaussian_nll(ClassMoments(p, torch.zeros_like(p)), target)
    assert found.item() == pytest.approx(0.5 * classes * math.log(1e-3), rel=1e-5)


def test_gaussian_likelihood_is_least_where_the_variance_is_the_squared_residual():
    target = torch.zeros(1, 1, 1, 1, dtype=torch.long)
    p = torch.tensor([0.6, 0.4]).view(1, 2, 1, 1, 1)
    values = [
        objective.gaussian_nll(ClassMoments(p, torch.full_like(p, v - 1e-3)), target).item()
        for v in (0.08, 0.16, 0.32)
    ]
    assert values[1] == min(values)


def test_class_weights_count_voxels_as_often_as_they_say():
    """Weight 2 for a class is the same as its voxels twice; the Dice loss takes no weights."""
    logits, target = torch.randn(1, 3, 1, 1, 6), torch.tensor([0, 0, 1, 1, 1, 2]).view(1, 1, 1, 6)
    twice = [0, 1, 2, 3, 4, 2, 3, 4, 5]
    weights = torch.tensor([1.0, 2.0, 1.0])
    weighted, dice_loss = objective.plain_losses(logits, target, weights)
    repeated, _ = objective.plain_losses(logits[..., twice], target[..., twice])
    torch.testing.assert_close(weighted, repeated)
    torch.testing.assert_close(dice_loss, objective.plain_losses(logits, target)[1])
    certain = LogitMoments(logits, torch.zeros(1, 3, 3, 1, 1, 6))
    torch.testing.assert_close(objective.expected_losses(certain, target, 4, 0, weights)[0], weighted)
    moments = ClassMoments(torch.softmax(logits, 1), torch.zeros_like(logits))
    torch.testing.assert_close(
        objective.gaussian_nll(moments, target, weights),
        objective.gaussian_nll(ClassMoments(*(m[..., twice] for m in moments)), target[..., twice]),
    )


def test_batch_of_classes_without_weight_has_zero_loss():
    target = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    found, _ = objective.plain_losses(torch.randn(1, 2, 2, 2, 2), target, torch.tensor([0.0, 1.0]))
    assert found.item() == 0


def test_divergence_grows_over_the_first_half_of_the_steps():
    assert [objective.annealing("linear", step, 100) for step in (0, 10, 50, 99)] == [0, 0.2, 1, 1]
    assert objective.annealing("constant", 0, 100) == 1


def _terms(name: str, family: str, propagation: str = "exact") -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = build(NetworkSpec(classes=3, filters=(4, 8)), family, propagation)
    target = torch.randint(0, 3, (1, 8, 8, 8))
    logits = network(torch.randn(1, 1, 8, 8, 8))
    return objective.losses(name, network, logits, target, objective.LossOptions(samples=4, seed=0))


@pytest.mark.parametrize(
    ("name", "family", "terms"),
    [
        ("auto", "vdp", {"cross_entropy", "dice_loss"}),
        ("expected", "vdp", {"cross_entropy", "dice_loss"}),
        ("gaussian_nll", "vdp", {"gaussian_nll"}),
        ("auto", "deterministic", {"cross_entropy", "dice_loss"}),
        ("cross_entropy_dice", "bayes_by_backprop", {"cross_entropy", "dice_loss"}),
        ("auto", "variance_head", {"cross_entropy", "dice_loss"}),
    ],
)
def test_objective_fits_the_output_of_the_family(name, family, terms):
    found = _terms(name, family)
    assert set(found) == terms
    assert all(value.dim() == 0 and value.requires_grad for value in found.values())


def test_published_objective_takes_the_published_readout():
    assert not torch.equal(*(_terms("gaussian_nll", "vdp", p)["gaussian_nll"] for p in ("taylor", "exact")))


@pytest.mark.parametrize(
    ("name", "family"),
    [("cross_entropy_dice", "vdp"), ("expected", "deterministic"), ("gaussian_nll", "mc_dropout")],
)
def test_objective_that_does_not_fit_is_refused(name, family):
    class Answer:
        pass

    network = Answer()
    network.family = family
    logits = _logits(1.0) if family == "vdp" else _logits(1.0).mean
    with pytest.raises(OptionError, match=f"objective {name}: not for family {family}"):
        objective.losses(
            name, network, logits, torch.zeros(2, 2, 3, 4).long(), objective.LossOptions(samples=4, seed=0)
        )
