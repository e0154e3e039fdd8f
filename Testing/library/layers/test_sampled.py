"""Sampled layers: moments of the samples, divergence and random numbers."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from TrustSegLib.layers import SampledConvolution, SampledDropout, SampledTransposedConvolution


def _layer(kind: type = SampledConvolution, dimensions: int = 2, **options: int) -> SampledConvolution:
    torch.manual_seed(0)
    layer = kind(2, 3, 2, dimensions, **options)
    with torch.no_grad():
        layer.rho.uniform_(-3, 0)  # every weight has another variance
        layer.bias.uniform_(-1, 1)
    return layer


@pytest.mark.parametrize(
    ("kind", "options"),
    [(SampledConvolution, {"stride": 2, "padding": 1}), (SampledTransposedConvolution, {"stride": 2})],
)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_local_reparameterization_has_the_moments_of_drawn_weights(kind, options, dimensions):
    layer = _layer(kind, dimensions, **options).train()
    x = torch.randn(1, 2, *(3,) * dimensions)
    with torch.no_grad():
        local = layer(x.expand(20_000, *x.shape[1:]))
        layer.generator = torch.Generator().manual_seed(1)
        drawn = torch.cat([layer(x) for _ in range(20_000)])
    deviation = drawn.std(0)
    assert ((local.mean(0) - drawn.mean(0)).abs() <= 0.05 * deviation + 1e-5).all()
    varies = deviation > 1e-3
    assert varies.float().mean() > 0.5
    assert ((local.std(0)[varies] / deviation[varies] - 1).abs() < 0.04).all()


@pytest.mark.parametrize("kind", [SampledConvolution, SampledTransposedConvolution])
def test_drawn_weights_have_the_means_and_variances_of_the_layer(kind):
    layer = _layer(kind)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        draws = torch.stack([layer.sample_weight(generator) for _ in range(20_000)])
        ratio = draws.var(0) / layer.weight_variance
    assert (ratio - 1).abs().max() < 0.06
    assert ((draws.mean(0) - layer.weight).abs() < 0.04 * layer.weight_variance.sqrt()).all()


def test_divergence_is_the_sum_over_all_weights():
    layer = _layer(dimensions=3)
    posterior = Normal(layer.weight, layer.weight_variance.sqrt())
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).sum()
    torch.testing.assert_close(layer.kl_divergence(), expected)


@pytest.mark.parametrize("kind", [SampledConvolution, SampledTransposedConvolution])
def test_relative_variance_is_relative_to_each_kernel(kind):
    layer = _layer(kind)
    layer.set_relative_variance(0.25)
    each = layer.weight_variance.movedim(layer.kernel_axis, 0).flatten(1)
    expected = 0.25 * layer.kernels().square().mean(dim=1, keepdim=True)
    torch.testing.assert_close(each, expected.expand_as(each))


def test_variance_parameters_have_one_axis_as_those_without_weight_decay():
    assert _layer().rho.dim() == 1


def test_weights_are_the_means_in_evaluation_mode():
    layer = _layer(padding=1).eval()
    x = torch.randn(2, 2, 4, 4)
    expected = torch.nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
    assert torch.equal(layer(x), expected)


def test_gradient_of_local_reparameterization_reaches_means_and_variances():
    layer = _layer().train()
    layer(torch.randn(1, 2, 4, 4)).square().sum().backward()
    assert layer.weight.grad.abs().min() > 0
    assert layer.rho.grad.abs().min() > 0


def test_sampled_dropout_keeps_the_mean_and_has_one_mask_for_the_batch():
    layer = SampledDropout(0.4).eval()
    layer.generator = torch.Generator().manual_seed(0)
    out = layer(torch.ones(3, 1, 300, 300))
    assert torch.equal(out[0], out[2])
    torch.testing.assert_close(out.unique(), torch.tensor([0.0, 1 / 0.6]))
    assert abs(out.mean() - 1) < 0.02


def test_sampled_dropout_without_a_generator_is_ordinary_dropout():
    layer, x = SampledDropout(0.5), torch.ones(2, 1, 50, 50)
    assert torch.equal(layer.eval()(x), x)
    dropped = layer.train()(x)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[0], dropped[1])
