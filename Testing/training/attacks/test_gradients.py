"""The gradient of a whole volume's prediction, against finite differences and the sliding window."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trustseg_training.attacks import VolumeGradient
from trustseg_training.training import volume_network
from TrustSegLib.errors import OptionError, TrustSegError
from TrustSegLib.inference import sliding_window
from TrustSegLib.moments import ClassMoments
from TrustSegLib.networks import NetworkSpec, build

PATCH = (8, 8, 8)
MEMBERS = [
    ("vdp", "taylor"),
    ("vdp", "exact"),
    ("vdp", "correlated"),
    ("deterministic", "exact"),
    ("mc_dropout", "exact"),
    ("ensemble", "exact"),
    ("bayes_by_backprop", "exact"),
    ("supernet", "exact"),
    ("variance_head", "exact"),
]
FEW = {"mc_dropout": {"passes": 3}, "bayes_by_backprop": {"passes": 3}, "ensemble": {"members": 2}}
NEEDS = {
    "supernet": {"normalization": "none", "activation": "relu", "upsampling": "zero_insertion"},
    "mc_dropout": {"dropout": 0.5},
}


def _network(family: str, propagation: str = "exact", **values: object) -> torch.nn.Module:
    spec = NetworkSpec(
        **{"classes": 3, "in_channels": 2, "filters": (4, 8), "convolutions": 1}
        | NEEDS.get(family, {})
        | values
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(spec, family, propagation, **FEW.get(family, {}))
        if hasattr(network, "set_relative_variance") and family != "supernet":
            network.set_relative_variance(0.1)
    return network.eval()


def _image(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def _loss(p: torch.Tensor) -> torch.Tensor:
    """Not a sum over voxels: what one patch contributes depends on the others."""
    weight = torch.linspace(-1, 1, p.numel(), dtype=p.dtype).view_as(p)
    return (p * weight).sum() + (p[1] - 0.3).square().sum().sqrt()


def _assert_slope(network: torch.nn.Module, image: torch.Tensor, patch: tuple[int, int, int]) -> None:
    prediction = VolumeGradient(network, patch)
    p, gradient = prediction.gradient(image, _loss)
    assert torch.equal(p, prediction.probabilities(image))
    generator, size = torch.Generator().manual_seed(2), 1e-6
    for _ in range(3):
        way = torch.randn(image.shape, generator=generator, dtype=image.dtype)
        ahead, behind = (_loss(prediction.probabilities(image + side * size * way)) for side in (1, -1))
        expected = ((ahead - behind) / (2 * size)).item()
        assert expected != 0
        assert (gradient * way).sum().item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("family", "propagation"), MEMBERS)
def test_gradient_through_every_family_is_that_of_finite_differences(family, propagation):
    """Padded along the first axis, several patches along the second."""
    _assert_slope(_network(family, propagation).double(), _image(5, 13, 8), PATCH)


@pytest.mark.parametrize("shape", [(8, 8, 8), (5, 8, 7), (8, 9, 8), (10, 11, 12)])
def test_gradient_is_right_for_one_patch_for_padding_and_for_many_patches(shape):
    _assert_slope(_network("deterministic").double(), _image(*shape), PATCH)


@pytest.mark.parametrize("values", [{"normalization": "batch"}, {"normalization": "none"}, {"dimensions": 2}])
def test_gradient_passes_every_normalization_and_planes(values):
    patch = (1, 8, 8) if values.get("dimensions") == 2 else PATCH
    network = volume_network(_network("vdp", **values)).double()
    _assert_slope(network.eval(), _image(3 if patch[0] == 1 else 6, 9, 8), patch)


@pytest.mark.parametrize("shape", [(8, 8, 8), (5, 13, 9)])
def test_probabilities_are_those_of_the_sliding_window(shape):
    network, image = _network("vdp"), _image(*shape, dtype=torch.float32)
    mean, _ = sliding_window(image.numpy(), network, PATCH)
    np.testing.assert_allclose(VolumeGradient(network, PATCH).probabilities(image), mean, atol=1e-6)


def test_network_is_unchanged_by_a_gradient():
    network, image = _network("mc_dropout"), _image(8, 9, 8, dtype=torch.float32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state, kept = torch.get_rng_state(), image.clone()
    VolumeGradient(network, PATCH).gradient(image, _loss)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(image, kept)
    assert not image.requires_grad
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(value.grad is None and value.requires_grad for value in network.parameters())


@pytest.mark.parametrize("shape", [(8, 8, 8), (8, 9, 8)])
def test_gradient_is_computed_under_no_grad_and_inference_mode(shape):
    """Lightning validates in inference mode."""
    prediction, image = VolumeGradient(_network("vdp"), PATCH), _image(*shape, dtype=torch.float32)
    expected = prediction.gradient(image, _loss)[1]
    with torch.inference_mode():
        found = prediction.gradient(image, _loss)[1]
    assert torch.equal(found, expected)
    with torch.no_grad():
        assert torch.equal(prediction.gradient(image, _loss)[1], expected)


def test_network_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="training mode"):
        VolumeGradient(_network("deterministic").train(), PATCH)


def test_patch_that_does_not_fit_is_refused():
    with pytest.raises(OptionError, match="needs multiples of"):
        VolumeGradient(_network("deterministic"), (8, 7, 8))
    with pytest.raises(OptionError, match=r"overlap 1\.0 is not valid"):
        VolumeGradient(_network("deterministic"), PATCH, overlap=1.0)


class _Broken:
    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        mean = torch.sqrt(patches - patches.detach())
        return ClassMoments(mean, mean)


def test_gradient_that_is_not_finite_is_refused():
    with pytest.raises(TrustSegError, match="NaN or infinite"):
        VolumeGradient(_Broken(), PATCH).gradient(_image(8, 8, 8), lambda p: p.sum())
