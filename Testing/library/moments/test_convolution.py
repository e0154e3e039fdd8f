"""Convolutions of Gaussians against sampled kernels and inputs, and against the textbook sum."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from TrustSegLib.moments import Gaussian, class_logits, convolution, power, transposed_convolution

SAMPLES, CHUNK = 300_000, 20_000


def _gaussian(*shape: int, seed: int = 0) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return Gaussian(mean, 0.1 + torch.rand(*shape, generator=generator, dtype=torch.float64))


def _sampled_moments(operation, x: Gaussian, weight, weight_variance, kernel_axis: int = 0):
    """Mean and variance of ``operation(input, kernels)`` over independent draws of both."""
    generator = torch.Generator().manual_seed(1)
    shape = [1] * weight.dim()
    shape[kernel_axis] = -1
    deviation = weight_variance.sqrt().view(shape)
    draw = torch.vmap(operation)
    total = square = 0
    for _ in range(SAMPLES // CHUNK):
        noise = torch.randn(CHUNK, *weight.shape, generator=generator, dtype=torch.float64)
        shake = torch.randn(CHUNK, *x.mean.shape, generator=generator, dtype=torch.float64)
        out = draw(x.mean + x.variance.sqrt() * shake, weight + deviation * noise)
        total, square = total + out.sum(0), square + out.square().sum(0)
    mean = total / SAMPLES
    return mean, square / SAMPLES - mean.square()


def _assert_close_to_samples(result: Gaussian, sampled) -> None:
    mean, variance = sampled
    assert ((result.mean - mean).abs() <= 0.01 * variance.sqrt()).all()
    assert ((result.variance / variance - 1).abs() <= 0.01).all()


@pytest.mark.parametrize("options", [{"padding": 1, "stride": 2}, {"dilation": 2}])
def test_convolution_moments_are_those_of_sampled_kernels(options):
    x = _gaussian(1, 2, 5, 5)
    weight, s = _gaussian(2, 2, 3, 3, seed=3).mean, torch.tensor([0.2, 0.5], dtype=torch.float64)
    sampled = _sampled_moments(lambda i, w: F.conv2d(i, w, **options), x, weight, s)
    _assert_close_to_samples(convolution(x, weight, s, **options), sampled)


def test_three_dimensional_convolution_moments_are_those_of_sampled_kernels():
    x = _gaussian(1, 2, 3, 3, 2)
    weight, s = _gaussian(2, 2, 3, 3, 3, seed=3).mean, torch.tensor([0.2, 0.5], dtype=torch.float64)
    sampled = _sampled_moments(lambda i, w: F.conv3d(i, w, padding=1, stride=2), x, weight, s)
    _assert_close_to_samples(convolution(x, weight, s, padding=1, stride=2), sampled)


def test_convolution_of_an_image_has_only_the_noise_of_the_kernels():
    image = _gaussian(1, 2, 4, 4).mean
    x = Gaussian(image, torch.zeros_like(image))
    weight, s = _gaussian(2, 2, 3, 3, seed=3).mean, torch.tensor([0.2, 0.5], dtype=torch.float64)
    sampled = _sampled_moments(lambda i, w: F.conv2d(i, w, padding=1), x, weight, s)
    _assert_close_to_samples(convolution(image, weight, s, padding=1), sampled)


def test_transposed_convolution_moments_are_those_of_sampled_kernels():
    x = _gaussian(1, 2, 2, 3)
    weight, s = _gaussian(2, 3, 3, 3, seed=3).mean, torch.tensor([0.2, 0.5, 0.1], dtype=torch.float64)
    options = {"stride": 2, "padding": 1, "output_padding": 1}
    sampled = _sampled_moments(lambda i, w: F.conv_transpose2d(i, w, **options), x, weight, s, kernel_axis=1)
    _assert_close_to_samples(transposed_convolution(x, weight, s, **options), sampled)


def test_class_covariance_is_that_of_sampled_logits():
    x = _gaussian(1, 4, 1, 1)
    weight, s = _gaussian(3, 4, 1, 1, seed=3).mean, torch.tensor([0.1, 0.3, 0.2], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    shake = torch.randn(2_000_000, 4, generator=generator, dtype=torch.float64)
    inputs = x.mean.flatten() + x.variance.flatten().sqrt() * shake
    noise = torch.randn(2_000_000, 3, 4, generator=generator, dtype=torch.float64)
    kernels = weight.flatten(1) + s.sqrt()[:, None] * noise
    sampled = torch.cov((kernels @ inputs[:, :, None]).squeeze(-1).T)
    logits = class_logits(x, weight, s)
    scale = sampled.diagonal().sqrt()
    assert ((logits.covariance[0, ..., 0, 0] - sampled).abs() <= 0.01 * scale[:, None] * scale).all()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([2, 3]),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3, 5]),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.sampled_from([1e-4, 1.0, 1e3]),
)
def test_box_filter_equals_the_three_term_sum(
    dimensions, inputs, kernels, size, stride, padding, dilation, scale
):
    extent = dilation * (size - 1) + 1 + stride
    x = _gaussian(2, inputs, *(extent,) * dimensions)
    x = Gaussian(x.mean * scale, x.variance * scale**2)
    weight = _gaussian(kernels, inputs, *(size,) * dimensions, seed=2).mean
    s = 0.01 + torch.rand(kernels, dtype=torch.float64)
    convolve = {2: F.conv2d, 3: F.conv3d}[dimensions]
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    noise = s.view(-1, *(1,) * (dimensions + 1)) * torch.ones_like(weight)
    expected = convolve(x.mean.square() + x.variance, noise, **options)
    expected = expected + convolve(x.variance, weight.square(), **options)
    bias = torch.arange(kernels, dtype=torch.float64)
    result = convolution(x, weight, s, bias, **options)
    torch.testing.assert_close(result.variance, expected)
    torch.testing.assert_close(result.mean, convolve(x.mean, weight, bias, **options))


def test_full_correlation_adds_standard_deviations():
    x = Gaussian(torch.zeros(1, 1, 3, 3), torch.full((1, 1, 3, 3), 4.0))
    weight, s = torch.ones(1, 1, 3, 3), torch.zeros(1)
    assert convolution(x, weight, s).variance.item() == pytest.approx(9 * 4)
    assert convolution(x, weight, s, correlation=1.0).variance.item() == pytest.approx((9 * 2) ** 2)


def test_full_correlation_adds_voxels_within_channels_only():
    x = Gaussian(torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3))
    weight, s = torch.ones(1, 2, 3, 3), torch.zeros(1)
    assert convolution(x, weight, s, correlation=1.0).variance.item() == pytest.approx(2 * 9**2)
    transposed = transposed_convolution(x, weight.transpose(0, 1), s, padding=1, correlation=1.0)
    assert transposed.variance[0, 0, 1, 1].item() == pytest.approx(2 * 9**2)


def test_gradients_agree_with_finite_differences():
    x = _gaussian(2, 2, 4, 4)
    weight = _gaussian(3, 2, 3, 3, seed=2).mean.requires_grad_()
    s = torch.rand(3, dtype=torch.float64, requires_grad=True)
    inputs = (x.mean.requires_grad_(), x.variance.requires_grad_(), weight, s)

    def moments(mean, variance, m, v):
        return convolution(Gaussian(mean, variance), m, v, padding=1, correlation=0.5)

    assert torch.autograd.gradcheck(moments, inputs)
    assert torch.autograd.gradcheck(lambda m, v: power(Gaussian(m, v)), inputs[:2])
