"""Group, instance and batch normalization."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from TrustSegLib.moments import Gaussian, batch_norm, batch_statistics, group_norm, instance_norm


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_normalization_without_variance_is_the_deterministic_layer(gaussian, groups):
    x = gaussian(2, 4, 3, 5, 2)
    weight, bias = torch.rand(4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    result = group_norm(Gaussian(x.mean, torch.zeros_like(x.mean)), groups, weight, bias)
    torch.testing.assert_close(result.mean, F.group_norm(x.mean, groups, weight, bias))
    assert result.variance.max() == 0


def test_normalization_scales_the_total_power_to_one(gaussian):
    x = gaussian(2, 3, 8, 8)
    result = instance_norm(Gaussian(3 * x.mean + 7, 9 * x.variance), epsilon=0.0)
    total = result.mean.square().mean((2, 3)) + result.variance.mean((2, 3))
    torch.testing.assert_close(total, torch.ones_like(total))


def test_variance_of_a_flat_channel_stays_bounded():
    x = Gaussian(torch.full((1, 1, 4, 4), 5.0), torch.full((1, 1, 4, 4), 2.0))
    assert instance_norm(x).variance.max() <= 1.0


def test_batch_norm_uses_the_given_statistics(gaussian):
    x = gaussian(4, 2, 3, 3)
    location, scale = batch_statistics(x)
    result = batch_norm(x, location, scale, epsilon=0.0)
    total = result.mean.square().mean((0, 2, 3)) + result.variance.mean((0, 2, 3))
    torch.testing.assert_close(total, torch.ones_like(total))


def test_normalization_gradients_agree_with_finite_differences(gaussian):
    x = gaussian(2, 4, 3, 2)
    weight = torch.rand(4, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda m, v: group_norm(Gaussian(m, v), 2, weight, weight),
        (x.mean.requires_grad_(), x.variance.requires_grad_()),
    )
