"""Temperature and variance scale, which are fitted after training."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from TrustSegLib.networks import FAMILIES

X = torch.randn(1, 1, 4, 4, 4, generator=torch.Generator().manual_seed(9))
SCALED = [family for family in FAMILIES if "variance_scale" in FAMILIES[family].options]


def _moments(network, **options):
    network.options = dataclasses.replace(network.options, **options)
    with torch.no_grad():
        return network.class_moments(X)


@pytest.mark.parametrize("family", FAMILIES)
def test_temperature_of_one_is_the_identity(make_network, family):
    plain = _moments(make_network(family))
    same = _moments(make_network(family, {"temperature": 1.0}))
    near = _moments(make_network(family, {"temperature": 1.0001}))
    assert torch.equal(plain.mean, same.mean)
    assert torch.equal(plain.variance, same.variance)
    torch.testing.assert_close(near.mean, plain.mean, rtol=1e-3, atol=1e-4)
    assert not torch.equal(near.mean, plain.mean)


@pytest.mark.parametrize("family", FAMILIES)
def test_high_temperature_gives_equal_probabilities_without_variance(make_network, family):
    hot = _moments(make_network(family), temperature=1e5)
    torch.testing.assert_close(hot.mean, torch.full_like(hot.mean, 1 / 3), rtol=0, atol=1e-3)
    assert hot.variance.max() < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_temperature_can_be_set_at_building_or_later(make_network, family):
    given, later = make_network(family, {"temperature": 1.7}), make_network(family)
    assert torch.equal(_moments(given).mean, _moments(later, temperature=1.7).mean)


@pytest.mark.parametrize("family", ["deterministic", "ensemble", "mc_dropout", "bayes_by_backprop"])
def test_temperature_divides_the_logits_of_every_pass_or_member(make_network, family):
    """Dividing the last layer's weights by two is the same as a temperature of two."""
    network = make_network(family)
    expected = _moments(network, temperature=2.0)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "head." in name and not name.endswith("rho"):
                value.div_(2)
            elif "head." in name:
                value.copy_((torch.nn.functional.softplus(value) / 4).expm1().log())
    result = _moments(network, temperature=1.0)
    torch.testing.assert_close(result.mean, expected.mean)
    torch.testing.assert_close(result.variance, expected.variance, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("family", SCALED)
def test_temperature_divides_means_by_itself_and_covariances_by_its_square(make_network, family, monkeypatch):
    network, seen = make_network(family), []
    with torch.no_grad():
        plain = network(X)
    readout = "readout_taylor" if family == "supernet" else "readout_exact"
    monkeypatch.setattr(f"{type(network).__module__}.{readout}", seen.append)
    _moments(network, temperature=2.0, variance_scale=3.0)
    torch.testing.assert_close(seen[0].mean, plain.mean / 2)
    torch.testing.assert_close(seen[0].covariance, plain.covariance * 3 / 4)


@pytest.mark.parametrize("family", SCALED)
def test_variance_scale_changes_only_the_variance(make_network, family):
    network = make_network(family)
    small, large = _moments(network, variance_scale=1e-3), _moments(network, variance_scale=1e-2)
    ratio = (large.variance / small.variance)[small.variance > 1e-9]
    assert 8 < ratio.median() < 12
    with torch.no_grad():
        assert torch.equal(network(X).mean, make_network(family)(X).mean)
