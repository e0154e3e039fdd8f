"""SUPER-Net as published, each part by hand on a small case."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from TrustSegLib.layers import RandomKernels
from TrustSegLib.moments import Gaussian


def _names(network) -> dict[RandomKernels, str]:
    return {module: name for name, module in network.named_modules() if isinstance(module, RandomKernels)}


@pytest.mark.parametrize("architecture", ["unet", "vnet", "fcn"])
def test_parameters_are_kernels_and_their_variances_only(make_network, architecture):
    network = make_network("supernet", architecture=architecture)
    assert {name.rpartition(".")[2] for name in network.state_dict()} == {"weight", "rho"}


def test_initial_values_are_the_published_ones(make_network):
    network = make_network("supernet", filters=(16, 32, 64, 64))
    for layer, name in _names(network).items():
        wide = name.startswith(("body.up.0", "body.up.1", "body.head"))
        low, high = (-4.6, -2.2) if wide else (-12.0, -4.6)
        assert low <= layer.rho.min()
        assert layer.rho.max() <= high
        assert layer.weight.abs().max() <= 0.2
    assert 0.08 < network.body.up[0][1].weight.std() < 0.095  # a normal of 0.1, cut at two deviations
    assert network.body.up[2][1].rho.max() < -4.6


def test_divergence_from_the_standard_normal_counts_every_weight(make_network):
    network, expected = make_network("supernet"), 0
    for layer in network.random_layers():
        shape = [1] * layer.weight.dim()
        shape[layer.kernel_axis] = -1
        deviation = layer.weight_variance.sqrt().view(shape).expand_as(layer.weight)
        expected = expected + kl_divergence(Normal(layer.weight, deviation), Normal(0.0, 1.0)).sum()
    torch.testing.assert_close(network.kl_divergence(), expected)


@torch.no_grad()
def test_one_level_equals_the_calculation_by_hand(make_network):
    """One convolution, ReLU and the head on one pixel: sums written out."""
    network = make_network("supernet", filters=(2,), classes=2, dimensions=2, kernel_size=1)
    first, head = network.body.encoder[0][0][0], network.body.head
    first.weight.copy_(torch.tensor([2.0, -1.0]).view(2, 1, 1, 1))
    head.weight.copy_(torch.tensor([[0.25, 5.0], [-0.5, 7.0]]).view(2, 2, 1, 1))
    s, t = first.weight_variance, head.weight_variance
    logits = network(torch.full((1, 1, 1, 1), 3.0))
    # z = (6, -3), v = 9 s; the ReLU lets pass the first: h = (6, 0), v = (9 s_0, 0)
    own = 9 * s[0]
    torch.testing.assert_close(logits.mean.flatten(), torch.tensor([1.5, -3.0]))
    variance = torch.stack([own / 16 + t[0] * (36 + own), own / 4 + t[1] * (36 + own)])
    torch.testing.assert_close(logits.covariance[0, :, :, 0, 0].diagonal(), variance)
    p = torch.softmax(torch.tensor([1.5, -3.0]), dim=0)
    jacobian = torch.diag(p) - torch.outer(p, p)
    moments = network.class_moments(torch.full((1, 1, 1, 1), 3.0))
    torch.testing.assert_close(moments.mean.flatten(), p)
    torch.testing.assert_close(moments.variance.flatten(), jacobian.square() @ variance)


@torch.no_grad()
def test_pooling_takes_the_variance_of_the_largest_mean(make_network):
    down = make_network("supernet", dimensions=2).body.down[0]
    mean, variance = torch.tensor([[1.0, 5.0], [2.0, 3.0]]), torch.tensor([[0.9, 0.1], [0.2, 0.3]])
    pooled = down(Gaussian(mean.view(1, 1, 2, 2), variance.view(1, 1, 2, 2)))
    assert (pooled.mean.item(), pooled.variance.item()) == (5, pytest.approx(0.1))


@torch.no_grad()
def test_step_up_equals_the_calculation_by_hand(make_network):
    """A pixel of mean m and variance v: each of the four pixels below it sees it through one weight."""
    network = make_network("supernet", filters=(1, 1), dimensions=2)
    up = network.body.up[0]
    up[1].weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2))
    s = up[1].weight_variance
    out = up(Gaussian(torch.full((1, 1, 1, 1), 5.0), torch.full((1, 1, 1, 1), 0.5)))
    turned = torch.tensor([[4.0, 3.0], [2.0, 1.0]])
    torch.testing.assert_close(out.mean[0, 0], 5 * turned)
    torch.testing.assert_close(out.variance[0, 0], s * (25 + 0.5) + turned.square() * 0.5)


@torch.no_grad()
def test_variance_of_a_constant_image_has_no_frame(make_network):
    """The published code fills padded voxels with a constant variance, whatever the image is."""
    network = make_network("supernet", dimensions=2)
    logits = network(torch.zeros(1, 1, 8, 8))
    assert logits.covariance.abs().max() == 0
