"""ReLU moments against samples, against float64 quadrature, and at the edges of the number formats."""

from __future__ import annotations

import pytest
import torch
from scipy import integrate, stats

from TrustSegLib.moments import (
    ExactRectifier,
    Gaussian,
    TaylorRectifier,
    activate,
    group_norm,
    leaky_relu_exact,
    leaky_relu_taylor,
    normalize_and_activate,
)
from TrustSegLib.moments.blocks import CPU_BLOCK

RECTIFIERS = [ExactRectifier(), ExactRectifier(0.1), TaylorRectifier(), TaylorRectifier(0.1)]


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3])
def test_exact_moments_are_those_of_samples(slope):
    mean = torch.tensor([-2.0, -1.0, -0.3, 0.0, 0.5, 1.0, 4.0], dtype=torch.float64)
    deviation = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.1, 3.0, 1.0], dtype=torch.float64)
    uniform = (torch.arange(1_000_000, dtype=torch.float64) + 0.5) / 1_000_000
    draws = torch.special.ndtri(uniform)[:, None]  # one draw from each of a million equal shares
    out = torch.nn.functional.leaky_relu(mean + deviation * draws, slope)
    variance, expected = torch.var_mean(out, dim=0)
    result = leaky_relu_exact(Gaussian(mean[None], deviation.square()[None]), slope)
    assert ((result.mean[0] - expected).abs() <= 0.01 * variance.sqrt()).all()
    assert ((result.variance[0] / variance - 1).abs() <= 0.01).all()


@pytest.mark.parametrize("ratio", [-6.0, -5.0, -4.0, -3.0, -1.0, 0.0, 3.0, 7.9])
def test_float32_keeps_its_digits_in_the_tail(ratio):
    def moment(power):
        return integrate.quad(
            lambda z: (ratio + z) ** power * stats.norm.pdf(z),
            -ratio,
            max(-ratio, 0) + 12,
            epsabs=0,
            limit=200,
        )[0]

    mean = moment(1)
    result = leaky_relu_exact(Gaussian(torch.tensor([[ratio]]), torch.ones(1, 1)))
    assert result.mean.item() == pytest.approx(mean, rel=1e-4)
    assert result.variance.item() == pytest.approx(moment(2) - mean**2, rel=1e-3)


def test_taylor_moments_are_the_slope_at_the_mean():
    x = Gaussian(torch.tensor([[-2.0, 0.0, 3.0]]), torch.tensor([[1.0, 2.0, 4.0]]))
    result = leaky_relu_taylor(x, 0.5)
    assert result.mean.tolist() == [[-1.0, 0.0, 3.0]]
    assert result.variance.tolist() == [[0.25, 0.5, 4.0]]


@pytest.mark.parametrize("rectifier", RECTIFIERS)
def test_gradients_agree_with_finite_differences(rectifier):
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(2, 4, 3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    variance = (torch.rand(2, 4, 3, 5, generator=generator, dtype=torch.float64) + 0.05).requires_grad_()
    weight = torch.rand(4, generator=generator, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, v: activate(Gaussian(m, v), rectifier), (mean, variance))
    assert torch.autograd.gradcheck(
        lambda m, v, w, b: normalize_and_activate(Gaussian(m, v), 2, w, b, rectifier),
        (mean, variance, weight, bias),
    )


@pytest.mark.parametrize("rectifier", RECTIFIERS)
@pytest.mark.parametrize("shape", [(2, 4, 3, 5, 2), (1, 2, CPU_BLOCK + 7, 1), (3, 4, 11, 13)])
def test_fused_layer_equals_normalization_then_rectifier(rectifier, shape):
    generator = torch.Generator().manual_seed(0)
    mean = 5 + torch.randn(shape, generator=generator, dtype=torch.float64)
    x = Gaussian(mean, torch.rand(shape, generator=generator, dtype=torch.float64))
    weight, bias = torch.rand(shape[1], dtype=torch.float64), torch.randn(shape[1], dtype=torch.float64)
    fused = normalize_and_activate(x, 2, weight, bias, rectifier)
    apart = activate(group_norm(x, 2, weight, bias), rectifier)
    torch.testing.assert_close(fused.mean, apart.mean)
    torch.testing.assert_close(fused.variance, apart.variance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("slope", [0.0, 0.01])
def test_moments_are_finite_at_zero_variance_and_large_means(dtype, slope):
    values = torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4], dtype=dtype)
    mean, variance = (grid.reshape(1, -1) for grid in torch.meshgrid(values, values.abs(), indexing="ij"))
    mean, variance = mean.clone().requires_grad_(), variance.clone().requires_grad_()
    for function in (leaky_relu_exact, leaky_relu_taylor):
        result = function(Gaussian(mean, variance), slope)
        gradients = torch.autograd.grad(
            result.mean.float().sum() + result.variance.float().sum(), (mean, variance)
        )
        assert all(torch.isfinite(tensor).all() for tensor in result)
        assert (result.variance >= 0).all()
        if dtype != torch.float16:  # 1 / (2 sd) at zero variance exceeds what float16 can hold
            assert all(torch.isfinite(tensor).all() for tensor in gradients)


def test_input_without_variance_gives_the_ordinary_activation():
    mean = torch.linspace(-3, 3, 101)[None]
    result = leaky_relu_exact(Gaussian(mean, torch.zeros_like(mean)), 0.2)
    torch.testing.assert_close(result.mean, torch.nn.functional.leaky_relu(mean, 0.2), atol=1e-6, rtol=0)
    assert result.variance.max() < 1e-11


def test_half_precision_is_computed_in_float32():
    generator = torch.Generator().manual_seed(0)
    mean, variance = torch.randn(1, 2, 500, generator=generator), torch.rand(1, 2, 500, generator=generator)
    half = Gaussian(mean.bfloat16(), variance.bfloat16())
    expected = leaky_relu_exact(Gaussian(half.mean.float(), half.variance.float()))
    result = leaky_relu_exact(half)
    assert result.mean.dtype == torch.bfloat16
    torch.testing.assert_close(result.variance.float(), expected.variance, rtol=2**-8, atol=1e-12)
    torch.testing.assert_close(result.mean.float(), expected.mean, rtol=2**-8, atol=1e-12)
