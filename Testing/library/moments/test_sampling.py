"""Draws of activations, and moments over draws of class probabilities."""

from __future__ import annotations

import pytest
import torch

from TrustSegLib.moments import Gaussian, draw, mixture_moments


def test_draws_have_the_moments_of_their_gaussian():
    torch.manual_seed(0)
    x = Gaussian(torch.tensor([1.0, -2.0]).view(1, 2, 1, 1), torch.tensor([4.0, 0.25]).view(1, 2, 1, 1))
    draws = draw(Gaussian(*(part.expand(100_000, -1, -1, -1) for part in x)))
    torch.testing.assert_close(draws.mean(0, keepdim=True), x.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(draws.var(0, keepdim=True), x.variance, atol=0, rtol=0.03)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_draw_without_variance_has_finite_gradients(dtype):
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


def test_mixture_of_opposite_probabilities_has_the_largest_possible_variance():
    """The unbiased variance of two draws, 0 and 1, is 1/2, which no probability can have."""
    moments = mixture_moments([torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])])
    assert torch.equal(moments.mean, torch.full((1, 2), 0.5))
    assert torch.equal(moments.variance, torch.full((1, 2), 0.25))


def test_mixture_of_one_draw_has_no_variance():
    moments = mixture_moments([torch.tensor([[0.3, 0.7]])])
    assert moments.variance.abs().max() == 0
