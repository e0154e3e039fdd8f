"""The class bias: masks of the right size, on voxels whose probabilities are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trustseg_training.evaluation import class_bias
from trustseg_training.evaluation.class_bias import MaskCounts, counts, cross_validated, fit_class_bias
from trustseg_training.evaluation.near_voxels import NearVoxels, Source
from trustseg_training.evaluation.scale_fitting import fit_all_scales
from trustseg_training.evaluation.temperature_scaling import Scales
from TrustSegLib.moments import LogitMoments
from TrustSegLib.networks import NetworkSpec, build

SMALL = NetworkSpec(classes=3, filters=(4, 8))
PATIENTS = 12
BIAS = np.array([0.0, 0.5, -0.3])


def _voxels(family: str = "deterministic", conditions=("clean",), voxels: int = 300) -> NearVoxels:
    """Labels are those of logits that the network has with an error and a bias."""
    generator = torch.Generator().manual_seed(0)
    sources = [Source(f"p{number}", name, 2 * voxels) for number in range(PATIENTS) for name in conditions]
    image = torch.arange(len(sources)).repeat_interleave(voxels)
    true = 4 * torch.randn(len(image), 3, generator=generator)
    target = true.argmax(dim=1)
    mean = true + torch.from_numpy(BIAS).float() + 0.5 * torch.randn(true.shape, generator=generator)
    logits = (
        mean[:, None]
        if family == "deterministic"
        else LogitMoments(mean, torch.eye(3).repeat(len(mean), 1, 1))
    )
    count = len(target)
    return NearVoxels(logits, torch.arange(count), torch.ones(count), target, image, tuple(sources))


@pytest.mark.parametrize("family", ["deterministic", "vdp"])
def test_masks_with_the_bias_are_as_large_as_the_truth(family):
    network, voxels = build(SMALL, family), _voxels(family, voxels=300)
    scales = Scales(1.7, None if family == "deterministic" else 0.8)
    found = fit_class_bias(network, voxels, scales)
    before, after = (counts(network, voxels, scales, bias) for bias in ((), found))
    assert before.volume_bias[0] > 0.03 > -0.03 > before.volume_bias[1]
    assert np.abs(after.volume_bias).max() < 2e-3
    assert after.dice.mean() > before.dice.mean()
    assert np.array(found) == pytest.approx(-BIAS[1:], abs=0.25)
    assert found == fit_class_bias(network, voxels, scales), "the same each time"


def test_only_clean_images_decide():
    voxels = _voxels(conditions=("clean", "motion-5"), voxels=300)
    network = build(SMALL, "deterministic")
    changed = voxels.logits.clone()
    changed[(voxels.image % 2 == 1), :, 1] += 5
    disturbed = NearVoxels(
        changed, *(getattr(voxels, name) for name in ("voxel", "blending", "target", "image", "sources"))
    )
    assert fit_class_bias(network, disturbed, Scales(1.0)) == fit_class_bias(network, voxels, Scales(1.0))
    scales = fit_all_scales(network, disturbed)
    assert scales.class_bias == pytest.approx(fit_class_bias(network, voxels, scales), abs=0.02)


def test_figures_are_of_patients_that_were_left_out():
    network, voxels = build(SMALL, "deterministic"), _voxels(voxels=300)
    found = cross_validated(network, voxels, Scales(1.0))
    assert found.patients == PATIENTS
    before, after = found.volume_bias
    assert abs(after[0]) < abs(before[0])
    assert found.dice[1][0] > found.dice[0][0]
    one = voxels.of_images(voxels.patients == "p0")
    assert cross_validated(network, one, Scales(1.0)) is None


def test_bias_that_costs_dice_is_not_used(monkeypatch):
    network, voxels = build(SMALL, "deterministic"), _voxels(voxels=200)
    monkeypatch.setattr(class_bias, "MOST_DICE_LOST", -1.0)
    assert fit_class_bias(network, voxels, Scales(1.0)) == ()
    assert fit_all_scales(network, voxels).class_bias == ()


def test_structure_without_a_true_voxel_gets_no_bias():
    voxels = _voxels(voxels=300)
    target = torch.where(voxels.target == 2, 0, voxels.target)
    lacking = NearVoxels(voxels.logits, voxels.voxel, voxels.blending, target, voxels.image, voxels.sources)
    network = build(SMALL, "deterministic")
    found = fit_class_bias(network, lacking, Scales(1.0))
    assert found[1] == 0
    assert np.isnan(counts(network, lacking, Scales(1.0), found).volume_bias[1])


def test_counts_are_those_of_whole_images_worked_out_by_hand():
    """Two drawn voxels of a structure stand for four; one of them is found, and one that is none."""
    logits = torch.tensor([[0.0, 2.0], [2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])[:, None]
    target = torch.tensor([1, 1, 0, 0])
    voxels = NearVoxels(
        logits, torch.arange(4), torch.ones(4), target, torch.zeros(4).long(), (Source("a", "clean", 8),)
    )
    found = counts(build(NetworkSpec(classes=2), "deterministic"), voxels, Scales(1.0), ())
    assert (found.mask, found.truth, found.common) == (4, 4, 2)
    assert (found.volume_bias, found.dice) == (0, 0.5)


def test_relative_errors_are_those_of_patients_and_tiny_structures_do_not_decide():
    """Typical are 100 voxels: an error of 10 is 10 %, and for a structure of 1 voxel 20 % of 50."""
    truth = np.array([[100.0], [100.0], [100.0], [1.0], [0.0]])
    mask = np.array([[110.0], [100.0], [90.0], [11.0], [0.0]])
    patients = np.array(["a", "a", "b", "c", "d"])
    found = MaskCounts(mask, truth, np.minimum(mask, truth), patients)
    assert found.volume_bias == pytest.approx([((0.1 + 0) / 2 - 0.1 + 10 / 50 + 0) / 4])
