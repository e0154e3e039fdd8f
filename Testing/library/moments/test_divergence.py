"""Divergence of random kernels from their prior."""

from __future__ import annotations

import torch

from TrustSegLib.moments import empirical_divergence, gaussian_divergence


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
