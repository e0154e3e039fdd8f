"""An ensemble and its members in one pass, against a separate pass of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trustseg_training.robustness.conditions import (
    EnsembleWithMembers,
    disagreement,
    has_members,
    member_moments,
)
from TrustSegLib.inference import sliding_window
from TrustSegLib.networks import NetworkSpec, build

SPEC = NetworkSpec(filters=(2, 4), classes=3)


@pytest.fixture
def ensemble() -> torch.nn.Module:
    torch.manual_seed(0)
    return build(SPEC, "ensemble", members=3, temperature=1.7).eval()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 12, 10, 9)).astype(np.float32)


def test_one_pass_equals_separate_passes_of_the_ensemble_and_each_member(ensemble, image):
    """Of several patches, whose blending is not linear in the variance."""
    (mean, variance), *members = member_moments(image, ensemble, (8, 8, 8), "cpu")
    own = sliding_window(image, ensemble, (8, 8, 8))
    np.testing.assert_allclose(mean, own[0], atol=1e-6)
    np.testing.assert_allclose(variance, own[1], atol=1e-7)
    assert len(members) == 3
    for (found, certain), member in zip(members, ensemble.members, strict=True):
        np.testing.assert_allclose(found, sliding_window(image, member, (8, 8, 8))[0], atol=1e-6)
        assert not certain.any()


def test_pass_removes_its_hooks(ensemble, image):
    member_moments(image, ensemble, (8, 8, 8), "cpu")
    assert not any(member._forward_hooks for member in ensemble.members)


def test_only_an_ensemble_has_members(ensemble):
    assert has_members(ensemble)
    assert not has_members(ensemble.members[0])
    assert EnsembleWithMembers(ensemble).size_divisor == ensemble.size_divisor


def test_disagreement_is_that_of_the_members_masks_and_zero_for_equal_ones():
    labels = np.zeros((4, 4, 4), int)
    labels[0], labels[1] = 1, 2
    moved = np.roll(labels, 1, axis=0)
    one, other = (np.eye(3)[each].transpose(3, 0, 1, 2) for each in (labels, moved))
    assert disagreement([one, one, one]) == 0
    assert disagreement([one, other]) == 1.0
    half = np.eye(3)[np.where(labels == 2, 0, labels)].transpose(3, 0, 1, 2)
    assert disagreement([one, half]) == pytest.approx(0.5)
