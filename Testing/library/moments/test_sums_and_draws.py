"""Sums, inserted zeros, draws and mixtures against the textbook."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from TrustSegLib.moments import Gaussian, add, convolution, draw, insert_zeros, mixture_moments


def test_sum_of_independent_gaussians_adds_means_and_variances():
    parts = [
        Gaussian(torch.full((1, 1, 2, 2), a), torch.full((1, 1, 2, 2), b))
        for a, b in ((1.0, 2.0), (-4.0, 3.0))
    ]
    total = add(*parts)
    assert torch.equal(total.mean, torch.full((1, 1, 2, 2), -3.0))
    assert torch.equal(total.variance, torch.full((1, 1, 2, 2), 5.0))
    assert parts[0].mean[0, 0, 0, 0] == 1  # the parts are read by others too


def test_zeros_stand_before_between_and_after_the_voxels():
    finer = insert_zeros(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    expected = [[0, 0, 0, 0, 0], [0, 1, 0, 2, 0], [0, 0, 0, 0, 0], [0, 3, 0, 4, 0], [0, 0, 0, 0, 0]]
    assert finer.tolist() == [[expected]]


def test_inserted_zeros_are_certain():
    finer = insert_zeros(Gaussian(torch.randn(1, 2, 3, 3, 3), torch.ones(1, 2, 3, 3, 3)))
    assert finer.mean.shape == finer.variance.shape == (1, 2, 7, 7, 7)
    assert finer.variance.sum() == 2 * 27
    assert finer.variance[..., ::2, :, :].max() == 0


@pytest.mark.parametrize("dimensions", [2, 3])
def test_zero_insertion_and_convolution_are_a_transposed_convolution_with_the_kernel_turned(dimensions):
    x, weight = torch.randn(2, 3, *(4,) * dimensions), torch.randn(5, 3, *(2,) * dimensions)
    result = convolution(insert_zeros(Gaussian(x, torch.rand_like(x))), weight, torch.full((5,), 0.1))
    turned = weight.flip(*range(2, 2 + dimensions)).transpose(0, 1)
    transposed = {2: F.conv_transpose2d, 3: F.conv_transpose3d}[dimensions]
    torch.testing.assert_close(result.mean, transposed(x, turned, stride=2), rtol=1e-4, atol=1e-5)
    assert result.variance.min() > 0


def test_gradient_passes_through_inserted_zeros():
    x = torch.randn(1, 1, 2, 2, requires_grad=True)
    insert_zeros(x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_draws_have_the_moments_they_are_drawn_from():
    torch.manual_seed(0)
    x = Gaussian(torch.tensor([1.0, -2.0]).view(1, 2, 1, 1), torch.tensor([4.0, 0.25]).view(1, 2, 1, 1))
    draws = draw(Gaussian(*(part.expand(100_000, -1, -1, -1) for part in x)))
    torch.testing.assert_close(draws.mean(0, keepdim=True), x.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(draws.var(0, keepdim=True), x.variance, atol=0, rtol=0.03)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_draw_of_a_certain_activation_has_finite_gradients(dtype):
    variance = torch.zeros(1, 1, 3, 3, dtype=dtype, requires_grad=True)
    sample = draw(Gaussian(torch.ones(1, 1, 3, 3, dtype=dtype), variance))
    sample.sum().backward()
    assert sample.dtype == dtype
    assert torch.isfinite(variance.grad).all()


def test_mixture_has_the_population_moments_of_its_draws():
    p = torch.softmax(torch.randn(7, 2, 3, 4, 4, dtype=torch.float64), dim=2)
    moments = mixture_moments(iter(p))
    torch.testing.assert_close(moments.mean, p.mean(0))
    torch.testing.assert_close(moments.variance, p.var(0, correction=0))


def test_mixture_of_opposite_certainties_stays_within_the_bound():
    """The unbiased variance of two draws, 0 and 1, is 1/2, which no probability can have."""
    moments = mixture_moments([torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])])
    assert torch.equal(moments.mean, torch.full((1, 2), 0.5))
    assert torch.equal(moments.variance, torch.full((1, 2), 0.25))


def test_mixture_of_one_draw_is_certain():
    moments = mixture_moments([torch.tensor([[0.3, 0.7]])])
    assert moments.variance.abs().max() == 0
