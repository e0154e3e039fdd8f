"""Layers without parameters, and networks of our layers in an `nn.Sequential`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from TrustSegLib import layers, moments
from TrustSegLib.moments import CorrelatedGaussian, Gaussian, LogitMoments


def _gaussian(*shape: int) -> Gaussian:
    torch.manual_seed(0)
    return Gaussian(torch.randn(shape), torch.rand(shape))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.ReLU(), lambda x: moments.leaky_relu_exact(x)),
        (layers.ReLU("taylor"), lambda x: moments.leaky_relu_taylor(x)),
        (layers.LeakyReLU(0.2), lambda x: moments.leaky_relu_exact(x, 0.2)),
        (layers.LeakyReLU(0.2, "correlated"), lambda x: moments.leaky_relu_exact(x, 0.2)),
        (layers.LeakyReLU(0.2, "taylor"), lambda x: moments.leaky_relu_taylor(x, 0.2)),
        (layers.MaxPool(2), lambda x: moments.max_pool(x, 2)),
        (layers.MaxPool(3, 2, 1), lambda x: moments.max_pool(x, 3, 2, 1)),
        (layers.AveragePool(2, correlation=0.5), lambda x: moments.average_pool(x, 2, correlation=0.5)),
        (layers.Upsample(3, "nearest"), lambda x: moments.upsample_nearest(x, 3)),
        (layers.Upsample(correlation=0.5), lambda x: moments.upsample_linear(x, 2, correlation=0.5)),
    ],
)
def test_layer_is_its_function_of_moments(layer, expected):
    x = _gaussian(2, 3, 8, 8)
    result = layer(x)
    assert isinstance(result, Gaussian)
    torch.testing.assert_close(result, expected(x))


def test_unknown_propagation_is_refused_by_name():
    with pytest.raises(ValueError, match=r"propagation is 'full'; choose one of taylor, exact, correlated"):
        layers.ReLU("full")


def test_unknown_mode_of_upsampling_is_refused_by_name():
    with pytest.raises(ValueError, match=r"mode is 'cubic'; choose linear or nearest"):
        layers.Upsample(mode="cubic")


@pytest.mark.parametrize(
    "layer",
    [
        layers.Convolution(4, 4, 3, 2, padding=1, correlation=0.5),
        layers.TransposedConvolution(4, 4, 2, 2, stride=2, correlation=0.5),
        layers.InstanceNorm(4),
        layers.GroupNorm(2, 4, layers.rectifier(0.1)),
        layers.BatchNorm(4),
        layers.ReLU(),
        layers.MaxPool(2),
        layers.AveragePool(2),
        layers.Upsample(),
        layers.Upsample(mode="nearest"),
        layers.Dropout(0.5),
    ],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("training", [False, True])
def test_every_layer_takes_and_returns_a_gaussian_with_its_correlation(layer, training):
    mean, variance = _gaussian(2, 4, 8, 8)
    correlation = torch.eye(4).view(1, 4, 4, 1, 1).expand(2, -1, -1, 4, 4)
    with torch.no_grad():
        plain = layer.train(training)(Gaussian(mean.clone(), variance.clone()))
        correlated = layer(CorrelatedGaussian(mean, variance, correlation))
    assert isinstance(plain, Gaussian)
    assert plain.mean.shape == plain.variance.shape
    assert isinstance(correlated, CorrelatedGaussian)
    assert (plain.variance >= 0).all()


def _variational() -> nn.Sequential:
    return nn.Sequential(
        layers.Convolution(1, 8, 3, padding=1),
        layers.InstanceNorm(8),
        layers.LeakyReLU(0.01),
        layers.MaxPool(2),
        layers.Convolution(8, 8, 3, padding=1),
        layers.BatchNorm(8),
        layers.ReLU(),
        layers.TransposedConvolution(8, 4, 2, stride=2),
        layers.Upsample(),
        layers.AveragePool(2),
        layers.Dropout(0.2),
        layers.ClassConvolution(4, 3),
    )


def _deterministic() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.InstanceNorm3d(8, affine=True),
        nn.LeakyReLU(0.01),
        nn.MaxPool3d(2),
        nn.Conv3d(8, 8, 3, padding=1),
        nn.BatchNorm3d(8),
        nn.ReLU(),
        nn.ConvTranspose3d(8, 4, 2, stride=2),
        nn.Upsample(scale_factor=2, mode="trilinear"),
        nn.AvgPool3d(2),
        nn.Dropout(0.2),
        nn.Conv3d(4, 3, 1),
    )


def test_own_sequential_network_predicts_as_its_deterministic_twin_without_weight_noise():
    torch.manual_seed(0)
    network, twin = _variational().eval(), _deterministic().eval()
    missing, unexpected = network.load_state_dict(twin.state_dict(), strict=False)
    assert not unexpected
    assert all(name.endswith("rho") for name in missing)
    for layer in network:
        if isinstance(layer, layers.RandomKernels):
            layer.set_relative_variance(1e-12)
    x = torch.randn(2, 1, 8, 8, 8)
    with torch.no_grad():
        logits, expected = network(x), twin(x)
    assert isinstance(logits, LogitMoments)
    torch.testing.assert_close(logits.mean, expected, rtol=1e-3, atol=1e-3)


def test_own_sequential_network_trains_and_gives_class_moments():
    torch.manual_seed(0)
    network = _variational().train()
    mean, variance = moments.readout_exact(network(torch.randn(2, 1, 8, 8, 8)))
    assert mean.shape == variance.shape == (2, 3, 8, 8, 8)
    assert variance.amax() > 0
    assert (variance <= mean * (1 - mean) + 1e-6).all()
    (mean[:, 0].mean() + variance.mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert all(p.grad.abs().sum() > 0 for name, p in network.named_parameters() if name.endswith("rho"))
