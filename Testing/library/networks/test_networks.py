"""Networks of our family against deterministic twins and sampled weights, and their specifications."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from TrustSegLib.errors import OptionError
from TrustSegLib.moments import LogitMoments
from TrustSegLib.networks import NetworkSpec, build, start_from


def _twins(spec: NetworkSpec, propagation: str = "exact", relative_variance: float = 1e-14):
    torch.manual_seed(0)
    deterministic = build(spec, "deterministic").eval()
    variational = build(spec, "vdp", propagation).eval()
    start_from(variational, deterministic.state_dict(), relative_variance)
    return deterministic, variational


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([2, 3]),
    st.lists(st.sampled_from([4, 8]), min_size=1, max_size=3),
    st.integers(1, 2),
    st.sampled_from(["instance", "group", "batch", "none"]),
    st.sampled_from(["relu", "leaky_relu"]),
    st.sampled_from(["max", "average", "strided"]),
    st.sampled_from(["transposed", "linear", "nearest"]),
    st.sampled_from(["taylor", "exact", "correlated"]),
)
def test_twins_agree_without_weight_noise(
    dimensions, filters, convolutions, normalization, activation, downsampling, upsampling, propagation
):
    spec = NetworkSpec(
        classes=3,
        in_channels=2,
        filters=tuple(filters),
        convolutions=convolutions,
        dimensions=dimensions,
        normalization=normalization,
        activation=activation,
        downsampling=downsampling,
        upsampling=upsampling,
    )
    deterministic, variational = _twins(spec, propagation)
    x = torch.randn(2, 2, *(8, 12, 16)[:dimensions])
    with torch.no_grad():
        expected, result = deterministic(x), variational(x)
    assert result.mean.shape == expected.shape
    assert result.covariance.shape == (2, 3, 3, *x.shape[2:])
    torch.testing.assert_close(result.mean, expected, rtol=1e-2, atol=2e-3 * float(expected.abs().max()))


def test_class_moments_are_bounded_and_deterministic_ones_have_no_variance():
    deterministic, variational = _twins(NetworkSpec(classes=3, filters=(4, 8)), relative_variance=0.1)
    x = torch.randn(1, 1, 8, 8, 8)
    with torch.no_grad():
        certain, random = deterministic.class_moments(x), variational.class_moments(x)
    assert certain.variance.max() == 0
    assert random.variance.max() > 1e-4
    assert (random.variance <= random.mean * (1 - random.mean)).all()


def test_logit_covariance_is_symmetric_and_positive():
    _, variational = _twins(NetworkSpec(classes=4, filters=(4, 8)), relative_variance=0.1)
    with torch.no_grad():
        logits = variational(torch.randn(1, 1, 8, 8, 8))
    assert isinstance(logits, LogitMoments)
    matrices = logits.covariance.flatten(3).permute(0, 3, 1, 2)
    assert torch.equal(matrices, matrices.mT)
    assert torch.linalg.eigvalsh(matrices.double()).min() > 0


def test_mean_logits_agree_with_sampled_weights():
    """The whole chain: exact moments of the mean against networks drawn from the posterior."""
    torch.manual_seed(0)
    spec = NetworkSpec(
        classes=2, filters=(8, 16), normalization="none", activation="relu", upsampling="nearest"
    )
    deterministic, variational = _twins(spec, relative_variance=0.05)
    x = torch.randn(1, 1, 8, 8, 8)
    layers = variational.random_layers()
    sampled = []
    state = {name: value.clone() for name, value in deterministic.state_dict().items()}
    scales = {id(layer): layer.weight_variance.detach().sqrt() for layer in layers}
    names = {id(m): f"{n}.weight" for n, m in variational.named_modules()}
    with torch.no_grad():
        for _ in range(600):
            drawn = dict(state)
            for layer in layers:
                shape = [1] * layer.weight.dim()
                shape[layer.kernel_axis] = -1
                noise = torch.randn_like(layer.weight) * scales[id(layer)].view(shape)
                drawn[names[id(layer)]] = layer.weight + noise
            deterministic.load_state_dict(drawn)
            sampled.append(deterministic(x))
        logits = variational(x)
    variance, mean = torch.var_mean(torch.stack(sampled), dim=0)
    error = (logits.mean - mean).abs() / variance.sqrt()
    ratio = torch.diagonal(logits.covariance, dim1=1, dim2=2).movedim(-1, 1) / variance
    assert error.median() < 0.2
    assert 0.2 < ratio.median() < 1.5  # the spatial covariance is dropped; see the moments' accuracy table


def test_half_precision_network_predicts_finite_moments_in_float32():
    _, variational = _twins(NetworkSpec(classes=3, filters=(4, 8)), relative_variance=0.01)
    x = torch.randn(2, 1, 8, 8, 8)
    with torch.no_grad():
        full = variational.class_moments(x)
        half = variational.to(torch.bfloat16).class_moments(x.bfloat16())
    assert half.mean.dtype == torch.float32
    assert torch.isfinite(half.variance).all()
    assert (full.mean - half.mean).abs().max() < 0.1


def test_moments_of_a_constant_image_are_finite():
    _, variational = _twins(NetworkSpec(classes=3, filters=(4, 8)), relative_variance=0.01)
    with torch.no_grad():
        result = variational.class_moments(torch.zeros(1, 1, 8, 8, 8))
    assert torch.isfinite(result.mean).all()
    assert torch.isfinite(result.variance).all()


def test_training_step_changes_means_and_variances():
    torch.manual_seed(0)
    network = build(NetworkSpec(classes=2, filters=(4, 8), dropout=0.2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    logits = network(torch.randn(1, 1, 8, 8, 8))
    (logits.mean.square().mean() + logits.covariance.mean() + network.kl_divergence() * 1e-6).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())
    optimizer.step()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in before if name.endswith((".rho", ".weight"))} <= moved


def test_relative_variance_is_relative_to_each_kernel():
    network = build(NetworkSpec(classes=2, filters=(4, 8)))
    network.set_relative_variance(0.25)
    for layer in network.random_layers():
        torch.testing.assert_close(layer.weight_variance, 0.25 * layer.kernels().square().mean(dim=1))


def test_each_kernel_has_one_variance_parameter():
    spec = NetworkSpec(classes=3)
    extra = sum(p.numel() for p in build(spec).parameters()) - sum(
        p.numel() for p in build(spec, "deterministic").parameters()
    )
    kernels = sum(len(layer.rho) for layer in build(spec).random_layers())
    assert extra == kernels


@pytest.mark.parametrize(
    "change",
    [
        {"filters": ()},
        {"filters": (0, 4)},
        {"classes": 1},
        {"kernel_size": 2},
        {"dropout": 1.0},
        {"dropout": "x"},
        {"negative_slope": None},
        {"normalization": "layer"},
        {"normalization": "group", "filters": (6, 8)},
        {"dimensions": 4},
        {"in_channels": True},
    ],
)
def test_invalid_spec_is_refused_by_name(change):
    with pytest.raises(OptionError, match="network: "):
        NetworkSpec(**{"classes": 3, **change})


def test_spec_is_restored_from_its_dictionary_and_refuses_unknown_keys():
    spec = NetworkSpec(classes=3, filters=(8, 16), upsampling="linear")
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(OptionError, match="unknown key 'depth'"):
        NetworkSpec.from_dict({**spec.to_dict(), "depth": 3})
    with pytest.raises(OptionError, match="classes is missing"):
        NetworkSpec.from_dict({})


def test_unknown_family_propagation_and_foreign_weights_are_refused():
    spec = NetworkSpec(classes=3, filters=(4, 8))
    with pytest.raises(OptionError, match="family"):
        build(spec, "bayes")
    with pytest.raises(OptionError, match="propagation"):
        build(spec, "vdp", "full")
    other = build(NetworkSpec(classes=2, filters=(4, 8)), "deterministic")
    with pytest.raises(OptionError, match="another architecture"):
        start_from(build(spec), other.state_dict())
