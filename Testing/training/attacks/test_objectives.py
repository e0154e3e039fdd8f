"""What attacks ascend, against hand-worked values."""

from __future__ import annotations

import math

import pytest
import torch

from trustseg_training.attacks import Attack, objectives
from trustseg_training.attacks.objectives import CALM, goal_of
from TrustSegLib.errors import ImageError

LABELS = torch.tensor([0, 1, 2, 1]).view(4, 1, 1)
#: Right, right, wrong (as 0), wrong (as 2).
P = torch.tensor(
    [[0.7, 0.1, 0.6, 0.1], [0.2, 0.8, 0.1, 0.3], [0.1, 0.1, 0.3, 0.6]], dtype=torch.float64
).view(3, 4, 1, 1)
CE = [-math.log(p) for p in (0.7, 0.8, 0.3, 0.3)]


def test_surprise_is_the_cross_entropy_of_every_voxel():
    assert objectives.surprise(P, LABELS).flatten().tolist() == pytest.approx(CE)
    assert objectives.cross_entropy(P, LABELS).item() == pytest.approx(sum(CE) / 4)


@pytest.mark.parametrize("logit", [-60.0, -20.0, 0.0, 20.0, 30.0])
def test_surprise_has_a_slope_where_float32_has_a_probability_of_one_or_nearly_zero(logit):
    """Otherwise a network that is only sure would look like a robust one."""
    logits = torch.tensor([logit, 0.0, -1.0], requires_grad=True)
    p = torch.softmax(logits, dim=0).view(3, 1, 1, 1)
    objectives.surprise(p, torch.zeros(1, 1, 1, dtype=torch.int64)).sum().backward()
    others = torch.exp(torch.tensor([0.0, -1.0], dtype=torch.float64)).sum().item()
    expected = -others / (others + math.exp(logit))
    assert logits.grad[0].item() == pytest.approx(expected, rel=1e-4)
    assert torch.isfinite(logits.grad).all()


def test_surprise_of_the_impossible_is_finite():
    p = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1).requires_grad_()
    objectives.surprise(p, torch.ones(1, 1, 1, dtype=torch.int64)).sum().backward()
    assert torch.isfinite(p.grad).all()


def test_resemblance_weighs_the_source_as_much_as_all_the_rest():
    expected = -(-math.log(0.1) - math.log(0.6)) / 2 - (CE[0] + CE[2]) / 2
    assert objectives.resemblance(P, LABELS, 1, 2).item() == pytest.approx(expected)
    all_source = objectives.resemblance(P, torch.ones_like(LABELS), 1, 0).item()
    assert all_source == pytest.approx(sum(math.log(p) for p in (0.7, 0.1, 0.6, 0.1)) / 4)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_segpgd_turns_from_right_voxels_to_all(step):
    goal = goal_of(Attack("segpgd", 0.1, steps=5), LABELS)
    share = (step - 1) / 10
    expected = ((1 - share) * (CE[0] + CE[1]) + share * (CE[2] + CE[3])) / 4
    assert goal.ascended(P, step).item() == pytest.approx(expected)
    assert goal.kept(P).item() == 0.5


def test_attack_on_the_uncertainty_lowers_the_error_probability_of_wrong_voxels_only():
    goal = goal_of(Attack("uncertainty", 0.1), LABELS)
    assert goal.ascended(P, 1).item() == pytest.approx(sum(CE) / 4 - CALM * (0.4 + 0.4) / 2)
    right = P[:, :2]
    assert objectives.trusted_error(right, LABELS[:2], CALM).item() == pytest.approx((CE[0] + CE[1]) / 2)


def test_pgd_and_fgsm_ascend_what_they_keep():
    for how in (Attack("pgd", 0.1), Attack("fgsm", 0.1), Attack("pgd", 0.1, source=1, target=2)):
        goal = goal_of(how, LABELS)
        assert goal.ascended(P, 3).item() == goal.kept(P).item()


def test_image_without_the_source_cannot_be_attacked_toward_a_target():
    with pytest.raises(ImageError, match="no voxel of class 3, so none can become 0"):
        goal_of(Attack("pgd", 0.1, source=3, target=0), LABELS)
