"""Pooling, up-sampling, concatenation, dropout, normalization and divergence."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from TrustSegLib.moments import (
    Gaussian,
    average_pool,
    batch_norm,
    batch_statistics,
    concatenate,
    dropout,
    dropout_expected,
    empirical_divergence,
    gaussian_divergence,
    group_norm,
    instance_norm,
    max_pool,
    upsample_linear,
    upsample_nearest,
)


def _gaussian(*shape: int) -> Gaussian:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return Gaussian(mean, torch.rand(*shape, generator=generator, dtype=torch.float64) + 0.1)


def _draws(x: Gaussian, samples: int = 400_000) -> torch.Tensor:
    noise = torch.randn(
        samples, *x.mean.shape[1:], generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    return x.mean + x.variance.sqrt() * noise


def _assert_moments(result: Gaussian, draws: torch.Tensor) -> None:
    variance, mean = torch.var_mean(draws, dim=0)
    assert ((result.mean[0] - mean).abs() <= 0.01 * variance.sqrt()).all()
    assert ((result.variance[0] / variance - 1).abs() <= 0.01).all()


def test_max_pool_takes_the_variance_at_the_largest_mean():
    x = Gaussian(torch.tensor([[[[1.0, 5.0], [3.0, 2.0]]]]), torch.tensor([[[[10.0, 20.0], [30.0, 40.0]]]]))
    result = max_pool(x, 2)
    assert (result.mean.item(), result.variance.item()) == (5.0, 20.0)


def test_max_pool_in_three_dimensions_keeps_mean_and_variance_together():
    x = _gaussian(2, 3, 4, 6, 4)
    tagged = Gaussian(x.mean, x.mean + 10)  # the variance tells which voxel won
    result = max_pool(tagged, 2)
    torch.testing.assert_close(result.variance, F.max_pool3d(x.mean, 2) + 10)


def test_average_pool_moments_are_those_of_samples():
    x = _gaussian(1, 1, 4, 4)
    _assert_moments(average_pool(x, 2), F.avg_pool2d(_draws(x), 2))


def test_fully_correlated_average_keeps_the_variance():
    x = Gaussian(torch.zeros(1, 1, 2, 2, 2), torch.full((1, 1, 2, 2, 2), 3.0))
    assert average_pool(x, 2).variance.item() == pytest.approx(3 / 8)
    assert average_pool(x, 2, correlation=1.0).variance.item() == pytest.approx(3.0)


@pytest.mark.parametrize("shape", [(1, 1, 3, 2), (1, 1, 2, 2, 3)])
def test_linear_upsampling_moments_are_those_of_samples(shape):
    x = _gaussian(*shape)
    mode = "bilinear" if len(shape) == 4 else "trilinear"
    _assert_moments(upsample_linear(x, 2), F.interpolate(_draws(x, 200_000), scale_factor=2, mode=mode))


def test_correlated_upsampling_of_a_flat_field_keeps_its_variance():
    x = Gaussian(torch.zeros(1, 1, 3, 3, 3), torch.full((1, 1, 3, 3, 3), 2.0))
    torch.testing.assert_close(
        upsample_linear(x, 2, correlation=1.0).variance, torch.full((1, 1, 6, 6, 6), 2.0)
    )


def test_nearest_upsampling_copies():
    x = _gaussian(1, 2, 2, 2, 2)
    assert torch.equal(upsample_nearest(x, 2).variance[..., ::2, ::2, 1::2], x.variance)


def test_concatenation_keeps_order_in_both_moments():
    a, b = _gaussian(1, 2, 3, 3), _gaussian(1, 1, 3, 3)
    joined = concatenate(a, b)
    assert torch.equal(joined.mean[:, 2:], b.mean)
    assert torch.equal(joined.variance[:, :2], a.variance)


def test_dropout_uses_one_mask_and_scales_variance_by_the_square():
    torch.manual_seed(0)
    x = Gaussian(torch.ones(1, 1, 100, 100), torch.full((1, 1, 100, 100), 3.0))
    result = dropout(x, 0.25)
    kept = result.mean > 0
    assert kept.double().mean() == pytest.approx(0.75, abs=0.02)
    assert torch.equal(kept, result.variance > 0)
    assert result.mean[kept].unique().item() == pytest.approx(1 / 0.75)
    assert result.variance[kept].unique().item() == pytest.approx(3 / 0.75**2)


def test_expected_dropout_moments_are_those_of_samples():
    x = _gaussian(1, 1, 4, 4)
    mask = torch.rand(400_000, 1, 4, 4, generator=torch.Generator().manual_seed(2)) < 0.7
    _assert_moments(dropout_expected(x, 0.3), _draws(x) * mask / 0.7)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_normalization_without_variance_is_the_deterministic_layer(groups):
    x = _gaussian(2, 4, 3, 5, 2)
    weight, bias = torch.rand(4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    result = group_norm(Gaussian(x.mean, torch.zeros_like(x.mean)), groups, weight, bias)
    torch.testing.assert_close(result.mean, F.group_norm(x.mean, groups, weight, bias))
    assert result.variance.max() == 0


def test_normalization_makes_mean_power_and_variance_one_together():
    x = _gaussian(2, 3, 8, 8)
    result = instance_norm(Gaussian(3 * x.mean + 7, 9 * x.variance), epsilon=0.0)
    total = result.mean.square().mean((2, 3)) + result.variance.mean((2, 3))
    torch.testing.assert_close(total, torch.ones_like(total))


def test_flat_channel_does_not_blow_up_its_variance():
    x = Gaussian(torch.full((1, 1, 4, 4), 5.0), torch.full((1, 1, 4, 4), 2.0))
    assert instance_norm(x).variance.max() <= 1.0


def test_batch_norm_uses_the_given_statistics():
    x = _gaussian(4, 2, 3, 3)
    location, scale = batch_statistics(x)
    result = batch_norm(x, location, scale, epsilon=0.0)
    total = result.mean.square().mean((0, 2, 3)) + result.variance.mean((0, 2, 3))
    torch.testing.assert_close(total, torch.ones_like(total))


def test_normalization_gradients_agree_with_finite_differences():
    x = _gaussian(2, 4, 3, 2)
    weight = torch.rand(4, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda m, v: group_norm(Gaussian(m, v), 2, weight, weight),
        (x.mean.requires_grad_(), x.variance.requires_grad_()),
    )


def test_divergence_counts_every_weight_and_every_kernel():
    mean = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    variance = torch.rand(5, dtype=torch.float64) + 0.1
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.full_like(mean, 0.3**0.5))
    posterior = torch.distributions.Normal(mean, variance.sqrt()[:, None].expand_as(mean))
    expected = torch.distributions.kl_divergence(posterior, prior).sum()
    torch.testing.assert_close(gaussian_divergence(mean, variance, 0.3), expected)


def test_empirical_divergence_is_the_smallest_over_priors():
    mean = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    variance = torch.rand(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    best = empirical_divergence(mean, variance)
    priors = torch.linspace(0.05, 5, 2000, dtype=torch.float64)
    scanned = min(gaussian_divergence(mean, variance, float(prior)) for prior in priors)
    assert best <= scanned
    torch.testing.assert_close(best, scanned, rtol=1e-4, atol=0)
