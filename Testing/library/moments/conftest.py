"""Gaussians, samples of them, and the comparison of moments with samples."""

from __future__ import annotations

import pytest
import torch

from TrustSegLib.moments import Gaussian


@pytest.fixture
def gaussian():
    """The same random Gaussian of a shape every time."""

    def make(*shape: int) -> Gaussian:
        generator = torch.Generator().manual_seed(0)
        mean = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return Gaussian(mean, torch.rand(*shape, generator=generator, dtype=torch.float64) + 0.1)

    return make


@pytest.fixture
def draws_of():
    """Independent samples of the activations of one image."""

    def make(x: Gaussian, samples: int = 400_000) -> torch.Tensor:
        noise = torch.randn(
            samples, *x.mean.shape[1:], generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
        return x.mean + x.variance.sqrt() * noise

    return make


@pytest.fixture
def assert_moments():
    """Moments agree with those of samples to a percent."""

    def check(result: Gaussian, draws: torch.Tensor) -> None:
        variance, mean = torch.var_mean(draws, dim=0)
        assert ((result.mean[0] - mean).abs() <= 0.01 * variance.sqrt()).all()
        assert ((result.variance[0] / variance - 1).abs() <= 0.01).all()

    return check
