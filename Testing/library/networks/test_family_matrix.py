"""Every family on every architecture in two and three dimensions, and its options."""

from __future__ import annotations

import copy

import pytest
import torch

from TrustSegLib.errors import OptionError
from TrustSegLib.moments import LogitMoments
from TrustSegLib.networks import FAMILIES, FamilyOptions, build

ARCHITECTURES = ("unet", "vnet", "fcn")
OF_MOMENTS = {"vdp", "supernet", "variance_head"}
FEW = {"mc_dropout": {"passes": 3}, "bayes_by_backprop": {"passes": 3}, "ensemble": {"members": 2}}


@pytest.fixture(params=ARCHITECTURES)
def architecture(request) -> str:
    return request.param


@pytest.fixture(params=[2, 3])
def dimensions(request) -> int:
    return request.param


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    return request.param


def _image(dimensions: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 2, *(8, 4, 6)[:dimensions], generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_class_moments_are_those_of_probabilities(make_network, architecture, dimensions, family, dtype):
    network = make_network(
        family, FEW.get(family), architecture=architecture, dimensions=dimensions, in_channels=2
    )
    x = _image(dimensions)
    with torch.no_grad():
        mean, variance = copy.deepcopy(network).to(dtype).class_moments(x.to(dtype))
    assert mean.shape == variance.shape == (2, 3, *x.shape[2:])
    assert mean.dtype == variance.dtype == torch.float32
    assert torch.isfinite(variance).all()
    torch.testing.assert_close(mean.sum(1), torch.ones_like(mean[:, 0]), rtol=0, atol=1e-5)
    assert variance.min() >= 0
    assert (variance <= mean * (1 - mean)).all()
    assert (variance.max() > 0) == (family != "deterministic")


def test_forward_returns_logits_or_their_moments_as_the_objective_needs(
    make_network, architecture, dimensions, family
):
    network = make_network(
        family, FEW.get(family), architecture=architecture, dimensions=dimensions, in_channels=2
    ).train()
    x = _image(dimensions)
    logits = network(x)
    assert isinstance(logits, LogitMoments) == (family in OF_MOMENTS)
    mean = logits.mean if family in OF_MOMENTS else logits
    assert mean.shape == (2, 3, *x.shape[2:])
    loss = mean.square().mean()
    if family in OF_MOMENTS:
        assert logits.covariance.shape == (2, 3, 3, *x.shape[2:])
        loss = loss + logits.covariance.mean()
    loss.backward()
    missing = [name for name, value in network.named_parameters() if value.grad is None]
    assert not missing
    assert all(torch.isfinite(value.grad).all() for value in network.parameters())


def test_networks_have_the_attributes_of_their_family(make_network, family):
    network = make_network(family, FEW.get(family))
    assert (network.family, network.size_divisor) == (family, 2)
    assert network.spec.classes == 3
    assert hasattr(network, "kl_divergence") == FAMILIES[family].random_weights
    if FAMILIES[family].random_weights:
        divergence = network.kl_divergence()
        assert divergence.dim() == 0
        assert divergence > 0


def test_copied_network_predicts_the_same(make_network, family):
    """Placing a network in another precision copies it whole."""
    network = make_network(family, FEW.get(family))
    other = copy.deepcopy(network)
    x = torch.randn(1, 1, 4, 4, 4)
    with torch.no_grad():
        assert torch.equal(network.class_moments(x).variance, other.class_moments(x).variance)


def test_options_of_another_family_are_refused_by_name(make_spec, family):
    every = {"passes": 3, "seed": 1, "members": 2, "temperature": 2.0, "variance_scale": 2.0}
    every["class_bias"] = (0.1, -0.2)
    for key, value in every.items():
        if key in FAMILIES[family].options:
            assert getattr(build(make_spec(family), family, **{key: value}).options, key) == value
        else:
            with pytest.raises(
                OptionError, match=f"network: {family} takes no '{key}'; it takes temperature"
            ):
                build(make_spec(family), family, **{key: value})


@pytest.mark.parametrize(
    "values",
    [
        {"passes": 0},
        {"passes": 2.0},
        {"passes": True},
        {"passes": 10**9},
        {"members": 0},
        {"members": 10**9},
        {"seed": -1},
        {"seed": None},
        {"temperature": 0},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": 10**400},
        {"temperature": "2"},
        {"variance_scale": 0.0},
        {"variance_scale": True},
    ],
)
def test_option_out_of_its_range_is_refused_by_name(values):
    with pytest.raises(OptionError, match=f"network: {next(iter(values))} is "):
        FamilyOptions(**values)


@pytest.mark.parametrize(
    ("family", "values", "message"),
    [
        ("mc_dropout", {"dropout": 0.0}, "mc_dropout draws nothing at dropout 0"),
        ("supernet", {"normalization": "instance"}, "normalization is 'instance'; supernet .* needs 'none'"),
        ("supernet", {"upsampling": "transposed"}, "upsampling is 'transposed'; .* needs 'zero_insertion'"),
        ("supernet", {"activation": "leaky_relu"}, "activation is 'leaky_relu'; .* needs 'relu'"),
        ("supernet", {"downsampling": "average"}, "downsampling is 'average'; .* needs 'max'"),
    ],
)
def test_spec_that_a_family_cannot_be_built_from_is_refused(make_spec, family, values, message):
    with pytest.raises(OptionError, match=f"network: {message}"):
        build(make_spec(family, **values), family)


@pytest.mark.parametrize(
    "values",
    [
        {"dimensions": 3.0},
        {"dimensions": 2.0},
        {"filters": (10**9,)},
        {"filters": (4,) * 17},
        {"convolutions": 10**9},
        {"kernel_size": 10**9 + 1},
        {"in_channels": 10**9},
        {"classes": 10**9},
    ],
)
def test_spec_of_another_type_or_beyond_all_reason_is_refused(make_spec, values):
    with pytest.raises(OptionError, match=f"network: {next(iter(values))} is "):
        make_spec(**values)
