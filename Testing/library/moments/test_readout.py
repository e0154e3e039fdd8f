"""Class probabilities under Gaussian logits against many samples."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from TrustSegLib.moments import LogitMoments, readout_exact, readout_taylor, sample_logits
from TrustSegLib.moments.quadrature import center_rule, hermite_rule, sobol_rule


def _logits(classes: int, voxels: int, scale: float, seed: int = 0) -> LogitMoments:
    generator = torch.Generator().manual_seed(seed)
    mean = 2 * torch.randn(1, classes, voxels, generator=generator, dtype=torch.float64)
    root = torch.randn(voxels, classes, classes, generator=generator, dtype=torch.float64) * scale
    covariance = (root @ root.mT / classes).permute(1, 2, 0)[None]
    return LogitMoments(mean, covariance)


def _sampled(logits: LogitMoments, samples: int = 100_000):
    generator = torch.Generator().manual_seed(1)
    draws = torch.randn(samples, logits.mean.shape[1], generator=generator, dtype=torch.float64)
    p = torch.softmax(sample_logits(logits, draws), dim=2)
    variance, mean = torch.var_mean(p, dim=0)
    return mean, variance


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_exact_readout_has_the_moments_of_samples(classes, scale):
    logits = _logits(classes, 100, scale)
    mean, variance = _sampled(logits)
    result = readout_exact(logits)
    assert (result.mean - mean).abs().mean() < 0.01
    seen = variance > 1e-4
    error = (result.variance / variance - 1).abs()[seen]
    assert error.median() < 0.06


@pytest.mark.parametrize(
    ("classes", "spread"), [*itertools.product([2, 3], [0.1, 0.5, 0.6, 1.0, 1.5]), (4, 0.1), (4, 0.6)]
)
def test_readout_of_small_spreads_is_accurate_to_a_percent(classes, spread):
    """Root of the contrasts' summed variances: where the few Gauss-Hermite points stand for the integral."""
    logits = _logits(classes, 150, 1.0)
    contrasts = torch.cat([-torch.ones(classes - 1, 1), torch.eye(classes - 1)], dim=1).double()
    covariance = torch.einsum("ik,bklv,jl->bijv", contrasts, logits.covariance, contrasts)
    total = torch.diagonal(covariance, dim1=1, dim2=2).sum(-1)
    logits = logits._replace(covariance=logits.covariance * (0.999 * spread**2 / total)[:, None, None])
    covariance *= 0.999 * spread**2 / total[:, None, None]
    mean, variance = _integrated(torch.einsum("ik,bkv->biv", contrasts, logits.mean)[0], covariance[0])
    result = readout_exact(logits)
    seen = variance > 1e-4
    assert (result.mean[0] - mean).abs().mean() < 1e-3
    assert (result.variance[0] / variance - 1).abs()[seen].mean() < 0.01


def _integrated(location: torch.Tensor, covariance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Moments (K, V) over a dense grid of the contrasts, ``location`` (K - 1, V)."""
    line = torch.linspace(-6, 6, 161 if len(location) < 3 else 31, dtype=torch.float64)
    grid = torch.cartesian_prod(*[line] * len(location)).view(-1, len(location))
    weights = torch.softmax(-grid.square().sum(1) / 2, dim=0)
    factor = torch.linalg.cholesky(covariance.permute(2, 0, 1))
    draws = location.T[:, None] + grid @ factor.mT
    p = torch.softmax(torch.cat([torch.zeros_like(draws[..., :1]), draws], dim=-1), dim=-1)
    mean = weights @ p
    return mean.T, (weights @ (p - mean[:, None]).square()).T


def test_sampled_logits_have_the_covariance_between_classes():
    logits = _logits(4, 1, 1.0)
    draws = torch.randn(400_000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sampled = torch.cov(sample_logits(logits, draws)[:, 0, :, 0].T)
    expected = logits.covariance[0, :, :, 0]
    scale = expected.diagonal().sqrt()
    assert ((sampled - expected).abs() <= 0.01 * scale[:, None] * scale).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.sampled_from([0.0, 1e-6, 1.0, 30.0, 1e4]), st.integers(0, 5))
def test_variance_is_within_that_of_a_probability(classes, scale, seed):
    for readout in (readout_exact, readout_taylor):
        for dtype in (torch.float64, torch.float32, torch.bfloat16):
            logits = LogitMoments(*(tensor.to(dtype) for tensor in _logits(classes, 50, scale, seed)))
            result = readout(logits)
            assert torch.isfinite(result.mean).all()
            assert (result.variance >= 0).all()
            assert (result.variance <= (result.mean * (1 - result.mean)).clamp_min(0)).all()
            assert ((result.mean.sum(1) - 1).abs() < 1e-4).all()


def test_logits_without_variance_give_softmax_without_variance():
    logits = LogitMoments(torch.tensor([[[1.0], [-2.0], [0.5]]]), torch.zeros(1, 3, 3, 1))
    for readout in (readout_exact, readout_taylor):
        result = readout(logits)
        torch.testing.assert_close(result.mean, torch.softmax(logits.mean, dim=1), atol=1e-5, rtol=0)
        assert result.variance.max() < 1e-8


def test_taylor_readout_is_the_squared_jacobian():
    logits = _logits(3, 1, 0.1)
    p = torch.softmax(logits.mean, dim=1)[0, :, 0]
    jacobian = torch.diag(p) - p[:, None] * p
    expected = jacobian.square() @ logits.covariance[0, :, :, 0].diagonal()
    torch.testing.assert_close(readout_taylor(logits).variance[0, :, 0], expected)


def test_extreme_logits_stay_finite():
    mean = torch.tensor([[[1e4], [-1e4], [0.0]]])
    result = readout_exact(LogitMoments(mean, torch.eye(3)[None, :, :, None]))
    torch.testing.assert_close(result.mean[0, :, 0], torch.tensor([1.0, 0.0, 0.0]))


def test_readout_is_differentiable_and_independent_of_the_blocks():
    logits = _logits(3, 9000, 1.0)
    whole, part = readout_exact(logits), readout_exact(LogitMoments(*(t[..., 8000:] for t in logits)))
    torch.testing.assert_close(whole.variance[..., 8000:], part.variance)
    small = _logits(3, 2, 1.0)
    mean = small.mean.requires_grad_()
    assert torch.autograd.gradcheck(lambda m: readout_exact(LogitMoments(m, small.covariance)), (mean,))


def test_probabilities_are_at_most_one_after_rounding():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(1, 3, 20_000, generator=generator) * torch.tensor([12.0, 3.0, 3.0])[:, None]
    covariance = 0.3 * torch.eye(3)[None, :, :, None].expand(1, 3, 3, 20_000)
    classes = readout_exact(LogitMoments(mean, covariance))
    assert float(classes.mean.max()) <= 1
    p, v = classes.mean.double(), classes.variance.double()
    assert bool(((v >= 0) & (v <= p * (1 - p) + 1e-7)).all())


@pytest.mark.parametrize("spread", [0.0, 0.3, 9.0])
def test_rules_cached_in_inference_mode_serve_training(spread):
    for rule in (center_rule, hermite_rule, sobol_rule):
        rule.cache_clear()
    mean = torch.tensor([[0.5, 0.2, -0.3]], dtype=torch.float64)[..., None].requires_grad_()
    logits = LogitMoments(mean, spread * torch.eye(3, dtype=torch.float64)[None, :, :, None])
    with torch.inference_mode():
        readout_exact(logits)
    readout_exact(logits).mean[0, 0, 0].backward()
    assert bool(mean.grad.abs().sum() > 0)
