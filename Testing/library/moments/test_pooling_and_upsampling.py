"""Pooling, interpolation and zero insertion."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from TrustSegLib.moments import (
    Gaussian,
    average_pool,
    convolution,
    insert_zeros,
    max_pool,
    upsample_linear,
    upsample_nearest,
)


def test_max_pool_takes_the_variance_of_the_largest_mean():
    x = Gaussian(torch.tensor([[[[1.0, 5.0], [3.0, 2.0]]]]), torch.tensor([[[[10.0, 20.0], [30.0, 40.0]]]]))
    result = max_pool(x, 2)
    assert (result.mean.item(), result.variance.item()) == (5.0, 20.0)


def test_max_pool_in_three_dimensions_keeps_mean_and_variance_together(gaussian):
    x = gaussian(2, 3, 4, 6, 4)
    tagged = Gaussian(x.mean, x.mean + 10)  # the variance tells which voxel won
    result = max_pool(tagged, 2)
    torch.testing.assert_close(result.variance, F.max_pool3d(x.mean, 2) + 10)


def test_average_pool_moments_are_those_of_samples(gaussian, draws_of, assert_moments):
    x = gaussian(1, 1, 4, 4)
    assert_moments(average_pool(x, 2), F.avg_pool2d(draws_of(x), 2))


def test_fully_correlated_average_keeps_the_variance():
    x = Gaussian(torch.zeros(1, 1, 2, 2, 2), torch.full((1, 1, 2, 2, 2), 3.0))
    assert average_pool(x, 2).variance.item() == pytest.approx(3 / 8)
    assert average_pool(x, 2, correlation=1.0).variance.item() == pytest.approx(3.0)


@pytest.mark.parametrize("shape", [(1, 1, 3, 2), (1, 1, 2, 2, 3)])
def test_linear_upsampling_moments_are_those_of_samples(gaussian, draws_of, assert_moments, shape):
    x = gaussian(*shape)
    mode = "bilinear" if len(shape) == 4 else "trilinear"
    assert_moments(upsample_linear(x, 2), F.interpolate(draws_of(x, 200_000), scale_factor=2, mode=mode))


def test_correlated_upsampling_of_a_flat_field_keeps_its_variance():
    x = Gaussian(torch.zeros(1, 1, 3, 3, 3), torch.full((1, 1, 3, 3, 3), 2.0))
    torch.testing.assert_close(
        upsample_linear(x, 2, correlation=1.0).variance, torch.full((1, 1, 6, 6, 6), 2.0)
    )


def test_nearest_upsampling_copies_the_moments(gaussian):
    x = gaussian(1, 2, 2, 2, 2)
    assert torch.equal(upsample_nearest(x, 2).variance[..., ::2, ::2, 1::2], x.variance)


def test_zeros_are_inserted_before_between_and_after_the_voxels():
    finer = insert_zeros(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    expected = [[0, 0, 0, 0, 0], [0, 1, 0, 2, 0], [0, 0, 0, 0, 0], [0, 3, 0, 4, 0], [0, 0, 0, 0, 0]]
    assert finer.tolist() == [[expected]]


def test_inserted_zeros_have_no_variance():
    finer = insert_zeros(Gaussian(torch.randn(1, 2, 3, 3, 3), torch.ones(1, 2, 3, 3, 3)))
    assert finer.mean.shape == finer.variance.shape == (1, 2, 7, 7, 7)
    assert finer.variance.sum() == 2 * 27
    assert finer.variance[..., ::2, :, :].max() == 0


@pytest.mark.parametrize("dimensions", [2, 3])
def test_zero_insertion_and_convolution_equal_a_transposed_convolution_with_flipped_kernel(dimensions):
    x, weight = torch.randn(2, 3, *(4,) * dimensions), torch.randn(5, 3, *(2,) * dimensions)
    result = convolution(insert_zeros(Gaussian(x, torch.rand_like(x))), weight, torch.full((5,), 0.1))
    turned = weight.flip(*range(2, 2 + dimensions)).transpose(0, 1)
    transposed = {2: F.conv_transpose2d, 3: F.conv_transpose3d}[dimensions]
    torch.testing.assert_close(result.mean, transposed(x, turned, stride=2), rtol=1e-4, atol=1e-5)
    assert result.variance.min() > 0


def test_gradient_flows_through_zero_insertion():
    x = torch.randn(1, 1, 2, 2, requires_grad=True)
    insert_zeros(x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))
