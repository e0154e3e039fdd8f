"""Correlated channels in convolutions, up-sampling, logits, concatenation and sums."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from TrustSegLib.layers import GroupNorm, Propagate
from TrustSegLib.moments import (
    CorrelatedGaussian,
    Gaussian,
    add,
    class_logits,
    concatenate,
    convolution,
    max_pool,
    transposed_convolution,
    upsample_nearest,
)


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _matrix(channels: int) -> torch.Tensor:
    """A correlation matrix with entries of both signs."""
    factor = _random(channels, channels, seed=5)
    covariance = factor @ factor.T + 0.2 * torch.eye(channels, dtype=torch.float64)
    return covariance / covariance.diagonal().sqrt().outer(covariance.diagonal().sqrt())


def _shared(
    size: tuple[int, ...], channels: int = 3, batch: int = 1
) -> tuple[CorrelatedGaussian, torch.Tensor]:
    """Noise that all voxels have in common, and its covariance over the channels."""
    matrix, deviation = _matrix(channels), 0.5 + torch.rand(channels, dtype=torch.float64)
    axes = (1,) * len(size)
    mean = _random(batch, channels, *size)
    variance = deviation.square().view(1, -1, *axes).expand_as(mean).contiguous()
    cells = tuple(-(-n // 2) for n in size)
    correlation = matrix.view(1, channels, channels, *axes).expand(batch, -1, -1, *cells).contiguous()
    return CorrelatedGaussian(mean, variance, correlation), matrix * deviation.outer(deviation)


def _none(kernels: int) -> torch.Tensor:
    return torch.zeros(kernels, dtype=torch.float64)


@pytest.mark.parametrize("size", [(7, 6), (5, 6, 7)])
def test_shared_noise_of_correlated_channels_has_the_moments_of_samples(size):
    x, covariance = _shared(size)
    weight = _random(4, 3, *(3,) * len(size), seed=3)
    result = convolution(x, weight, _none(4), correlation=1.0)
    noise = torch.linalg.cholesky(covariance) @ _random(3, 400_000, seed=7)
    sampled = torch.cov(weight.flatten(2).sum(2) @ noise)
    scale = sampled.diagonal().sqrt().outer(sampled.diagonal().sqrt())
    found = result.variance[0].flatten(1)
    assert ((found / sampled.diagonal()[:, None] - 1).abs() < 0.01).all()
    place = (0, ..., *(0,) * len(size))
    assert ((result.correlation[place] - sampled / scale).abs() < 0.01).all()


def test_without_a_share_the_result_is_that_of_independent_voxels():
    x, _ = _shared((5, 5))
    weight = _random(4, 3, 3, 3, seed=3)
    s = torch.rand(4, dtype=torch.float64)
    plain = convolution(Gaussian(*x), weight, s, padding=1)
    torch.testing.assert_close(convolution(x, weight, s, padding=1), plain)
    assert not isinstance(convolution(x, weight, s, padding=1), CorrelatedGaussian)


def test_kernel_noise_lowers_the_correlation():
    x, _ = _shared((4, 4))
    weight = _random(4, 3, 3, 3, seed=3)
    tight, loose = (
        convolution(
            x, weight, torch.full((4,), s, dtype=torch.float64), padding=1, correlation=1.0
        ).correlation
        for s in (0.0, 10.0)
    )
    others = ~torch.eye(4, dtype=torch.bool)
    assert loose[:, others].abs().mean() < 0.2 * tight[:, others].abs().mean()


@pytest.mark.parametrize("size", [(3, 5), (2, 3, 4)])
def test_transposed_convolution_propagates_the_correlation_of_each_voxel(size):
    x, covariance = _shared(size)
    weight = _random(3, 4, *(2,) * len(size), seed=3)
    result = transposed_convolution(x, weight, _none(4), stride=2, correlation=0.5)
    mean = F.conv_transpose2d if len(size) == 2 else F.conv_transpose3d
    torch.testing.assert_close(result.mean, mean(x.mean, weight, stride=2))
    for tap, start in enumerate(torch.cartesian_prod(*[torch.arange(2)] * len(size)).tolist()):
        kernels = weight.flatten(2)[:, :, tap].T
        expected = (kernels @ covariance @ kernels.T).diagonal()
        found = result.variance[(0, ..., *(slice(first, None, 2) for first in start))].flatten(1)
        torch.testing.assert_close(found, expected[:, None].expand_as(found))


@pytest.mark.parametrize("size", [(3, 5), (2, 3, 5)])
def test_logit_covariance_includes_the_correlation_of_the_channels(size):
    x, covariance = _shared(size, batch=2)
    weight, s = _random(2, 3, *(1,) * len(size), seed=3), torch.tensor([0.1, 0.3], dtype=torch.float64)
    found = class_logits(x, weight, s).covariance
    kernels = weight.flatten(1)
    power = (x.mean.square() + x.variance).sum(1).flatten(1)
    for image, voxel in ((0, 0), (1, power.shape[1] - 1)):
        expected = kernels @ covariance @ kernels.T + torch.diag(s * power[image, voxel])
        torch.testing.assert_close(found[image].flatten(2)[..., voxel], expected)


def test_centered_noise_excludes_what_normalization_subtracts():
    """A kernel of one voxel: the mean field is exact, so the samples have to agree."""
    image = 3 + _random(1, 4, 5, 5)
    weight, s = _random(2, 4, 1, 1, seed=3), torch.tensor([0.2, 0.5], dtype=torch.float64)
    noise = s.sqrt().view(1, 2, 1) * _random(200_000, 2, 4, seed=9)
    sampled = noise @ (image - image.mean((2, 3), keepdim=True)).flatten(2)
    found = convolution(image, weight, s, centered=True).variance
    assert ((found.flatten(2)[0] / sampled.var(0) - 1).abs() < 0.02).all()
    assert (found < convolution(image, weight, s).variance).all()


def test_constant_image_has_no_centered_noise():
    image = torch.full((1, 2, 4, 4), 3.0)
    result = convolution(image, torch.ones(2, 2, 3, 3), torch.ones(2), centered=True)
    assert result.variance.max() < 1e-4


def test_negative_gain_flips_the_sign_of_the_correlation():
    x, _ = _shared((4, 4))
    layer = GroupNorm(3, 3).double()
    layer.weight.data = torch.tensor([1.0, -1.0, 2.0], dtype=torch.float64)
    with torch.no_grad():
        found = layer(x).correlation
    torch.testing.assert_close(found[:, 0, 1], -x.correlation[:, 0, 1])
    torch.testing.assert_close(found[:, 0, 2], x.correlation[:, 0, 2])


def test_correlation_follows_the_grid():
    x, _ = _shared((8, 8))
    x.correlation[..., 2:] = 0.25
    pooled = Propagate(max_pool, kernel_size=2)(x)
    assert pooled.correlation.shape == (1, 3, 3, 2, 2)
    torch.testing.assert_close(
        pooled.correlation[..., 1], torch.full((1, 3, 3, 2), 0.25, dtype=torch.float64)
    )
    assert Propagate(upsample_nearest, scale=2)(x).correlation.shape == (1, 3, 3, 8, 8)


def test_concatenated_parts_are_independent():
    x, _ = _shared((4, 4))
    plain = Gaussian(_random(1, 2, 4, 4), torch.ones(1, 2, 4, 4, dtype=torch.float64))
    found = concatenate(x, plain).correlation
    torch.testing.assert_close(found[:, :3, :3], x.correlation)
    assert found[:, :3, 3:].abs().max() == 0
    torch.testing.assert_close(found[0, 3:, 3:, 0, 0], torch.eye(2, dtype=torch.float64))
    assert not isinstance(concatenate(plain, plain), CorrelatedGaussian)


def test_sum_adds_the_covariances():
    x, covariance = _shared((4, 4))
    unit = Gaussian(x.mean, torch.ones_like(x.variance))
    expected = covariance + torch.eye(3, dtype=torch.float64)
    deviation = expected.diagonal().sqrt()
    torch.testing.assert_close(add(x, unit).correlation[0, :, :, 0, 0], expected / deviation.outer(deviation))


def test_gradients_agree_with_finite_differences():
    x, _ = _shared((4, 4))
    weight = _random(2, 3, 3, 3, seed=2).requires_grad_()
    s = torch.rand(2, dtype=torch.float64, requires_grad=True)

    def moments(mean, variance, kernels, noise):
        given = CorrelatedGaussian(mean, variance, x.correlation)
        result = convolution(given, kernels, noise, padding=1, correlation=0.5, centered=True)
        return *result, result.correlation

    inputs = (x.mean.requires_grad_(), x.variance.requires_grad_(), weight, s)
    assert torch.autograd.gradcheck(moments, inputs)
