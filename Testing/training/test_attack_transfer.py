"""Transferred attacks: their names, and the weights of SegPGD."""

from __future__ import annotations

import pytest
import torch

from trustseg_training.attacks import Attack, Transfer, parse_any
from trustseg_training.attacks.goals import goal_of
from trustseg_training.attacks.losses import surprise
from TrustSegLib.errors import OptionError


@pytest.mark.parametrize("key", ["fgsm-0.02-from-deterministic-1", "pgd20-0.02@1to2-from-a b", "fgsm-0.02"])
def test_key_of_a_transferred_attack_can_be_read_again(key):
    assert parse_any(key).key == key


def test_transferred_attack_knows_its_model():
    assert parse_any("fgsm-0.02-from-other-from-me") == Transfer(Attack("fgsm", 0.02), "other-from-me")


@pytest.mark.parametrize("key", ["fgsm-0.02-from-", "fgsm-0.02-from-../x", "fgms-0.02-from-a"])
def test_transfer_from_nowhere_is_refused(key):
    with pytest.raises(OptionError):
        parse_any(key)


@pytest.mark.parametrize(("step", "wrong_weight"), [(1, 0.0), (2, 1 / 8), (3, 2 / 8), (4, 3 / 8)])
def test_segpgd_weighs_wrong_voxels_more_from_step_to_step_as_published(step, wrong_weight):
    """Gu et al., ECCV 2022: lambda(t) = (t - 1) / (2 T) for wrong voxels, 1 - lambda(t) for right ones."""
    p = torch.tensor([[0.8, 0.3], [0.2, 0.7]])[:, None, None]
    labels = torch.tensor([[[0, 0]]])
    right, wrong = surprise(p, labels).flatten()
    found = goal_of(Attack("segpgd", 0.02, steps=4), labels).ascended(p, step)
    assert found == pytest.approx(float(((1 - wrong_weight) * right + wrong_weight * wrong) / 2))
