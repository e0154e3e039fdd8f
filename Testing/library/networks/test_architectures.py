"""V-Net and FCN: twins agree, and the moments are those of sampled weights where the assumptions hold."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, vmap

from TrustSegLib.layers import RandomKernels
from TrustSegLib.moments import Gaussian
from TrustSegLib.networks import NetworkSpec, build, start_from

SAMPLES, CHUNK = 60_000, 10_000
#: Without mixing of voxels; then only the channels' independence is assumed.
POINTWISE = {
    "classes": 3,
    "in_channels": 2,
    "filters": (4, 4),
    "convolutions": 1,
    "kernel_size": 1,
    "dimensions": 2,
    "normalization": "none",
    "activation": "relu",
}


@pytest.mark.parametrize("architecture", ["unet", "vnet", "fcn"])
@pytest.mark.parametrize("upsampling", ["transposed", "linear", "zero_insertion"])
@pytest.mark.parametrize(
    ("normalization", "propagation"),
    [("instance", "exact"), ("group", "correlated"), ("batch", "taylor"), ("none", "correlated")],
)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_variational_twin_agrees_without_weight_noise(
    architecture, upsampling, normalization, propagation, dimensions
):
    spec = NetworkSpec(
        classes=3,
        filters=(4, 8, 8),
        architecture=architecture,
        upsampling=upsampling,
        normalization=normalization,
        dimensions=dimensions,
    )
    torch.manual_seed(0)
    deterministic, variational = build(spec, "deterministic").eval(), build(spec, "vdp", propagation).eval()
    start_from(variational, deterministic.state_dict(), 1e-14)
    x = torch.randn(2, 1, *(8, 12, 16)[:dimensions])
    with torch.no_grad():
        expected, result = deterministic(x), variational(x)
    assert expected.shape == (2, 3, *x.shape[2:])
    torch.testing.assert_close(result.mean, expected, rtol=1e-2, atol=2e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("architecture", ["unet", "vnet", "fcn"])
@pytest.mark.parametrize("levels", [1, 2, 4, 5])
def test_logits_of_any_depth_are_on_the_grid_of_the_image(architecture, levels):
    spec = NetworkSpec(classes=2, filters=(2,) * levels, architecture=architecture, dimensions=2)
    size = 2 * spec.size_divisor
    with torch.no_grad():
        assert build(spec, "deterministic")(torch.randn(1, 1, size, size)).shape == (1, 2, size, size)


def test_fcn_sums_the_three_deepest_levels():
    body = build(NetworkSpec(classes=2, filters=(2, 3, 4, 5, 6), architecture="fcn"), "deterministic").body
    assert [layer.in_channels for layer in body.score] == [4, 5, 6]
    assert len(body.up) == 4


def test_residual_stage_with_kernels_of_zero_is_the_identity():
    spec = NetworkSpec(classes=2, filters=(4,), architecture="vnet", normalization="none", dimensions=2)
    stage = build(spec, "deterministic").body.encoder[0]
    with torch.no_grad():
        for parameter in stage.parameters():
            parameter.zero_()
        x = torch.randn(1, 4, 4, 4)
        assert torch.equal(stage(x), x)


def _certain(part: torch.nn.Module) -> None:
    for layer in part.modules():
        if isinstance(layer, RandomKernels):
            layer.rho.fill_(-60.0)


def _keep_channels_apart(layer: RandomKernels) -> None:
    """Give each output channel its own input channel, so that channels of independent errors stay so."""
    apart = torch.eye(*layer.weight.shape[:2]).view(*layer.weight.shape[:2], 1, 1)
    layer.weight.mul_(apart)


def _assert_moments_of_sampled_weights(network, twin, x: torch.Tensor) -> None:
    """Mean and full class covariance in every voxel, against networks with drawn kernels."""
    state = {name: value.double() for name, value in network.state_dict().items()}
    scales = {name.removesuffix(".weight") + ".rho": name for name in state if name.endswith(".weight")}
    generator, draws = torch.Generator().manual_seed(1), []
    for _ in range(SAMPLES // CHUNK):
        drawn = {
            name: value.expand(CHUNK, *value.shape) for name, value in state.items() if "rho" not in name
        }
        for rho, name in scales.items():
            axis = 1 if "up." in name else 0
            shape = [1] * (state[name].dim() + 1)
            shape[axis + 1] = -1
            noise = torch.randn(drawn[name].shape, generator=generator, dtype=torch.float64)
            drawn[name] = drawn[name] + noise * torch.nn.functional.softplus(state[rho]).sqrt().view(shape)
        draws.append(vmap(lambda weights: functional_call(twin, weights, (x,)))(drawn))
    logits = torch.cat(draws)[:, 0].flatten(2)  # (S, K, N)
    mean = logits.mean(0)
    covariance = torch.einsum("ski,sli->kli", logits - mean, logits - mean) / len(logits)
    expected = network(x)
    deviation = torch.einsum("kki->ki", covariance).sqrt()
    assert deviation.min() > 0.05
    assert ((expected.mean[0].flatten(1) - mean).abs() < 0.03 * deviation).all()
    error = (expected.covariance[0].flatten(2) - covariance).abs()
    assert (error < 0.06 * deviation[:, None] * deviation[None]).all()


def _pointwise(architecture: str):
    torch.manual_seed(0)
    spec = NetworkSpec(**POINTWISE, architecture=architecture)
    twin, network = build(spec, "deterministic").double().eval(), build(spec).double().eval()
    network.set_relative_variance(0.3)
    return network, twin


@torch.no_grad()
def test_fcn_moments_are_those_of_sampled_weights_where_the_summed_scores_are_independent():
    network, twin = _pointwise("fcn")
    _certain(network.body.encoder[0])  # what both scores are made from
    _keep_channels_apart(network.body.score[1])
    _keep_channels_apart(network.body.up[0])
    _assert_moments_of_sampled_weights(network, twin, torch.randn(1, 2, 4, 4).double())


@torch.no_grad()
def test_vnet_moments_are_those_of_sampled_weights_where_the_residual_is_independent():
    network, twin = _pointwise("vnet")
    body = network.body
    for part in (body.entry, body.encoder[0], body.down[0], body.decoder[0]):
        _certain(part)
    body.decoder[0].chain[0][0].weight.zero_()
    _keep_channels_apart(body.up[0])
    _assert_moments_of_sampled_weights(network, twin, torch.randn(1, 2, 4, 4).double())


@torch.no_grad()
def test_residual_sum_ignores_the_correlation_of_its_parts():
    """What the documentation says: ``x + x`` has four times the variance of x; the sum says twice."""
    spec = NetworkSpec(
        classes=2, filters=(1,), convolutions=1, kernel_size=1, architecture="vnet", normalization="none"
    )
    stage = build(spec).body.encoder[0].double()
    _certain(stage)
    stage.chain[0][0].weight.fill_(1.0)
    stage.chain[0][0].bias.zero_()
    x = torch.full((1, 1, 1, 1, 1), 50.0).double()  # far from the kink: the stage is linear
    out = stage(Gaussian(x, torch.ones_like(x)))
    torch.testing.assert_close(out.mean, 2 * x)
    torch.testing.assert_close(out.variance, torch.full_like(x, 2.0))
