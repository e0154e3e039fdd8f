"""Families of several passes or members: MC dropout, Bayes by backprop and ensembles."""

from __future__ import annotations

import pytest
import torch

from TrustSegLib.errors import OptionError
from TrustSegLib.layers import Sampled, SampledDropout
from TrustSegLib.networks import build, join_members, start_from

DRAWN = ("mc_dropout", "bayes_by_backprop")
X = torch.randn(2, 1, 4, 4, 4, generator=torch.Generator().manual_seed(9))


@torch.no_grad()
def test_dropout_moments_equal_those_of_an_explicit_loop_over_masks(make_network):
    network = make_network("mc_dropout", {"passes": 6, "seed": 5})
    body = make_network("deterministic").body
    body.load_state_dict(network.body.state_dict())
    generator, p = torch.Generator().manual_seed(5), []
    for _ in range(6):
        skip = body.encoder[0](X)
        deep = body.encoder[1](body.down[0](skip))
        mask = torch.empty(1, *deep.shape[1:]).bernoulli_(0.5, generator=generator) * 2
        up = body.up[0](deep * mask)
        p.append(torch.softmax(body.head(body.decoder[0](torch.cat([skip, up], dim=1))), dim=1))
    expected, result = torch.stack(p), network.class_moments(X)
    torch.testing.assert_close(result.mean, expected.mean(0))
    torch.testing.assert_close(result.variance, expected.var(0, correction=0), rtol=1e-4, atol=1e-7)


@torch.no_grad()
def test_backprop_moments_equal_those_of_an_explicit_loop_over_kernels(make_network):
    network = make_network("bayes_by_backprop", {"passes": 5, "seed": 5})
    body = make_network("deterministic").body
    order = ["encoder.0.0.0", "encoder.1.0.0", "up.0", "decoder.0.0.0", "head"]
    fixed = {name: value for name, value in network.body.state_dict().items() if not name.endswith("rho")}
    generator, p = torch.Generator().manual_seed(5), []
    for _ in range(5):
        drawn = {
            f"{name}.weight": network.body.get_submodule(name).sample_weight(generator) for name in order
        }
        body.load_state_dict({**fixed, **drawn})
        p.append(torch.softmax(body(X), dim=1))
    expected, result = torch.stack(p), network.class_moments(X)
    torch.testing.assert_close(result.mean, expected.mean(0))
    torch.testing.assert_close(result.variance, expected.var(0, correction=0), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("family", DRAWN)
@torch.no_grad()
def test_moments_depend_on_nothing_random_but_the_seed(make_network, family):
    network = make_network(family, {"passes": 4, "seed": 1})
    first, again = network.class_moments(X), network.class_moments(X)
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.variance, again.variance)
    other = make_network(family, {"passes": 4, "seed": 2}).class_moments(X)
    assert not torch.equal(first.mean, other.mean)


@pytest.mark.parametrize("family", DRAWN)
@torch.no_grad()
def test_global_random_numbers_are_neither_used_nor_changed(make_network, family):
    network = make_network(family, {"passes": 4})
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = network.class_moments(X)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(network.class_moments(X).mean, first.mean)


@pytest.mark.parametrize("family", DRAWN)
@torch.no_grad()
def test_prediction_is_independent_of_the_place_in_the_batch(make_network, family):
    """Patches of one volume must be seen by the same networks, or blending would mix different ones."""
    network = make_network(family, {"passes": 4})
    swapped = network.class_moments(X.flip(0))
    torch.testing.assert_close(network.class_moments(X).variance, swapped.variance.flip(0))


@pytest.mark.parametrize("family", DRAWN)
@torch.no_grad()
def test_passes_leave_the_network_unchanged(make_network, family):
    network = make_network(family, {"passes": 2})
    before = network(X)
    network.class_moments(X)
    assert torch.equal(network(X), before)
    with pytest.raises(RuntimeError):
        network.class_moments(X[:, :, :3])
    assert all(layer.generator is None for layer in network.modules() if isinstance(layer, Sampled))


@pytest.mark.parametrize("family", DRAWN)
def test_training_is_random_and_evaluation_is_not(make_network, family):
    network = make_network(family)
    assert torch.equal(network(X), network(X))
    network.train()
    assert not torch.equal(network(X), network(X))


def test_dropout_is_at_the_bottleneck_only(make_network):
    for architecture in ("unet", "vnet", "fcn"):
        network = make_network("mc_dropout", architecture=architecture)
        assert sum(isinstance(module, SampledDropout) for module in network.modules()) == 1


@pytest.mark.parametrize("architecture", ["unet", "vnet", "fcn"])
@pytest.mark.parametrize("family", ["mc_dropout", "bayes_by_backprop", "variance_head"])
@torch.no_grad()
def test_families_started_from_a_deterministic_twin_give_its_logits(make_network, family, architecture):
    twin = make_network("deterministic", architecture=architecture, upsampling="zero_insertion")
    network = make_network(family, architecture=architecture, upsampling="zero_insertion")
    for parameter in network.parameters():
        parameter.add_(1)
    start_from(network, twin.state_dict(), relative_variance=0.04)
    logits = network(X)
    torch.testing.assert_close(logits.mean if family == "variance_head" else logits, twin(X))
    if family == "bayes_by_backprop":
        layer = network.random_layers()[0]
        expected = 0.04 * layer.kernels()[0].square().mean()
        torch.testing.assert_close(layer.weight_variance[0], expected.expand_as(layer.weight_variance[0]))


def _members(make_spec, count: int) -> list[torch.nn.Module]:
    torch.manual_seed(3)
    return [build(make_spec(), "deterministic").eval() for _ in range(count)]


@torch.no_grad()
def test_ensemble_has_the_mean_and_variance_over_its_members(make_spec, make_network):
    members = _members(make_spec, 3)
    ensemble = make_network("ensemble", {"members": 3})
    ensemble.load_state_dict(join_members([member.state_dict() for member in members]))
    p = torch.stack([member.class_moments(X).mean for member in members])
    result = ensemble.class_moments(X)
    torch.testing.assert_close(result.mean, p.mean(0))
    torch.testing.assert_close(result.variance, p.var(0, correction=0), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(torch.softmax(ensemble(X), dim=1), p.mean(0))


def test_no_members_or_different_ones_are_refused(make_spec):
    member = build(make_spec(), "deterministic").state_dict()
    wider = build(make_spec(filters=(4, 12)), "deterministic").state_dict()
    with pytest.raises(OptionError, match="member 1 is of another spec than member 0"):
        join_members([member, wider])
    with pytest.raises(OptionError, match="no member is given"):
        join_members([])


def test_joined_state_has_one_prefix_per_member(make_spec):
    state = build(make_spec(), "deterministic").state_dict()
    joined = join_members([state, state])
    assert {name.split(".")[1] for name in joined} == {"0", "1"}
    assert set(joined) == set(build(make_spec(), "ensemble", members=2).state_dict())
