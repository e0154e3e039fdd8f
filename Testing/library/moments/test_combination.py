"""Concatenation, sums and dropout."""

from __future__ import annotations

import pytest
import torch

from TrustSegLib.moments import Gaussian, add, concatenate, dropout, dropout_expected


def test_concatenation_keeps_order_in_both_moments(gaussian):
    a, b = gaussian(1, 2, 3, 3), gaussian(1, 1, 3, 3)
    joined = concatenate(a, b)
    assert torch.equal(joined.mean[:, 2:], b.mean)
    assert torch.equal(joined.variance[:, :2], a.variance)


def test_sum_of_independent_gaussians_adds_means_and_variances():
    parts = [
        Gaussian(torch.full((1, 1, 2, 2), a), torch.full((1, 1, 2, 2), b))
        for a, b in ((1.0, 2.0), (-4.0, 3.0))
    ]
    total = add(*parts)
    assert torch.equal(total.mean, torch.full((1, 1, 2, 2), -3.0))
    assert torch.equal(total.variance, torch.full((1, 1, 2, 2), 5.0))
    assert parts[0].mean[0, 0, 0, 0] == 1  # the parts are read by others too


def test_dropout_uses_one_mask_and_scales_variance_by_the_square():
    torch.manual_seed(0)
    x = Gaussian(torch.ones(1, 1, 100, 100), torch.full((1, 1, 100, 100), 3.0))
    result = dropout(x, 0.25)
    kept = result.mean > 0
    assert kept.double().mean() == pytest.approx(0.75, abs=0.02)
    assert torch.equal(kept, result.variance > 0)
    assert result.mean[kept].unique().item() == pytest.approx(1 / 0.75)
    assert result.variance[kept].unique().item() == pytest.approx(3 / 0.75**2)


def test_expected_dropout_moments_are_those_of_samples(gaussian, draws_of, assert_moments):
    x = gaussian(1, 1, 4, 4)
    mask = torch.rand(400_000, 1, 4, 4, generator=torch.Generator().manual_seed(2)) < 0.7
    assert_moments(dropout_expected(x, 0.3), draws_of(x) * mask / 0.7)
