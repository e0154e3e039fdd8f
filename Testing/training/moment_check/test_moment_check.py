"""Analytic moments against sampled weight sets, on networks small enough to be sure of."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from trustseg_training.moment_check import Crops, measures
from trustseg_training.moment_check.agreement import (
    agreement,
    argmax_agreement,
    fit_variance_scale,
    variance_ratios,
    within_bound,
)
from trustseg_training.moment_check.analytic import (
    correlated_layers,
    fit_correlations,
    in_mode,
    local_layers,
    propagate,
    propagated_layers,
    set_correlations,
)
from trustseg_training.moment_check.report import TARGETS
from trustseg_training.moment_check.sampling import OUTPUTS, DrawnWeights, Sums, Truth, layer_pairs
from TrustSegLib.errors import OptionError
from TrustSegLib.moments import ClassMoments, Gaussian
from TrustSegLib.networks import NetworkSpec, build

SPEC = NetworkSpec(classes=3, filters=(4, 8), convolutions=1)
#: No activation bends and no statistics are taken: first convolution and head have exact means.
PLAIN = NetworkSpec(classes=2, filters=(4,), convolutions=1, normalization="none", negative_slope=0.999)


def _network(spec: NetworkSpec = SPEC, mode: str = "exact", relative_variance: float = 1e-2) -> nn.Module:
    torch.manual_seed(1)
    network = build(spec, "vdp", mode).eval()
    network.set_relative_variance(relative_variance)
    return network


def _images(count: int = 2, size: int = 8) -> torch.Tensor:
    return torch.randn(count, 1, size, size, size, generator=torch.Generator().manual_seed(2))


def _truth(network: nn.Module, samples: int, layer_images: int = 2, seed: int = 0) -> Truth:
    truth = Truth(network, _images(), layer_images, seed)
    for _ in range(samples):
        truth.draw()
    return truth


@pytest.fixture(scope="module")
def sampled() -> tuple[nn.Module, Truth]:
    network = _network()
    return network, _truth(network, 400)


@pytest.fixture(scope="module")
def plain() -> tuple[nn.Module, Truth]:
    network = _network(PLAIN)
    return network, _truth(network, 2000)


def test_sums_are_those_of_all_tensors_at_once():
    x = 1e3 + torch.randn(50, 4, dtype=torch.float64)
    first, second = Sums.empty(x[0]), Sums.empty(x[0])
    for index, each in enumerate(x):
        (first if index < 20 else second).add(each)
    both = first.merged(second)
    assert both.count == 50
    torch.testing.assert_close(both.mean, x.mean(0))
    torch.testing.assert_close(both.variance, x.var(0))
    torch.testing.assert_close(first.variance, x[:20].var(0))


def test_drawn_weights_have_the_means_and_variances_of_the_layer():
    network = _network()
    weights = DrawnWeights(network)
    layer, drawn = network.body.up[0], weights.twin.body.up[0]
    sums = Sums.empty(layer.weight)
    for number in range(500):
        weights.draw(number)
        sums.add(drawn.weight)
    deviation = layer.weight_variance.detach().sqrt().view(1, -1, 1, 1, 1)
    error = (sums.mean - layer.weight.detach()) / deviation * 500**0.5
    assert error.square().mean() == pytest.approx(1, abs=0.3)
    per_kernel = sums.variance.transpose(0, 1).flatten(1).mean(1) / layer.weight_variance.detach()
    np.testing.assert_allclose(per_kernel, 1, atol=0.06)


def test_a_weight_set_depends_on_seed_and_number_alone():
    first, second = DrawnWeights(_network()), DrawnWeights(_network())
    first.draw(3)
    first.draw(7, seed=1)
    second.draw(7, seed=1)
    same = first.twin.state_dict(), second.twin.state_dict()
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[0])
    second.draw(7, seed=2)
    assert not torch.equal(first.twin.body.head.weight, second.twin.body.head.weight)


def test_other_families_are_refused():
    with pytest.raises(OptionError, match="family deterministic"):
        DrawnWeights(build(SPEC, "deterministic"))


def test_an_exact_network_agrees_with_its_samples_within_their_error(plain):
    network, truth = plain
    found = agreement(propagate(network, _images()).output("logits"), truth.of("logits"))
    assert found.ratio.median == pytest.approx(1, abs=0.05)
    assert found.mean_error < 3 / 2000**0.5
    assert found.spearman > 0.95


def test_the_logits_differences_carry_their_covariance(plain):
    """Of a difference of two independent numbers the variance would be their sum."""
    network, truth = plain
    found = agreement(propagate(network, _images()).output("contrasts"), truth.of("contrasts"))
    assert found.ratio.median == pytest.approx(1, abs=0.05)


def test_every_exact_layer_agrees_given_the_sampled_moments_of_its_input(plain):
    network, truth = plain
    for name, local in local_layers(network, truth).items():
        assert agreement(local, truth.of(name)).ratio.median == pytest.approx(1, abs=0.06), name


def test_a_forgotten_variance_shows_in_its_layer_and_after_it(plain):
    network, truth = plain
    broken = in_mode(network, "exact")
    first = broken.body.encoder[0][0][0]
    first.rho.data.fill_(-30)
    name = "body.encoder.0.0.0"
    assert agreement(local_layers(broken, truth)[name], truth.of(name)).ratio.median < 0.01
    head = {
        kind: agreement(found["body.head"], truth.of("body.head")).ratio.median
        for kind, found in (
            ("local", local_layers(broken, truth)),
            ("propagated", propagated_layers(broken, _images())),
        )
    }
    assert head["propagated"] < 0.8
    assert head["local"] == pytest.approx(1, abs=0.06), "blamed for an earlier layer's error"


def test_a_wrong_sign_shows_in_the_mean(plain):
    network, truth = plain
    broken = in_mode(network, "exact")
    broken.body.head.weight.data.neg_()
    found = agreement(propagate(broken, _images()).output("logits"), truth.of("logits"))
    assert found.mean_error > 1


def test_a_layer_that_normalizes_and_activates_meets_the_activation_of_the_twin(sampled):
    network, truth = sampled
    pairs = layer_pairs(network)
    assert pairs["body.encoder.0.0.1"] == "body.encoder.0.0.2"
    assert pairs["body.encoder.0.0.0"] == "body.encoder.0.0.0"
    propagated = propagated_layers(network, _images())
    assert set(propagated) == set(pairs)
    for name, found in propagated.items():
        assert agreement(found, truth.of(name)).mean_error < 0.8, name


def test_saved_sums_continue_to_the_same_bits(sampled, tmp_path):
    network, _ = sampled
    unbroken = _truth(network, 9)
    path = tmp_path / "sums.safetensors"
    begun = _truth(network, 4)
    begun.save(path, "a")
    resumed = Truth(network, _images(), 2)
    resumed.load(path, "a")
    while resumed.drawn < 9:
        resumed.draw()
    for name in (*OUTPUTS, *unbroken.pairs):
        for one, other in zip(unbroken.halves(name), resumed.halves(name), strict=True):
            assert one.count == other.count
            assert torch.equal(one.mean, other.mean), name
            assert torch.equal(one.squares, other.squares), name


def test_sums_of_another_check_and_damaged_ones_are_refused(sampled, tmp_path):
    network, _ = sampled
    path = tmp_path / "sums.safetensors"
    truth = _truth(network, 2)
    truth.save(path, "a")
    with pytest.raises(OptionError, match="another model, seed or crop"):
        truth.load(path, "b")
    path.write_bytes(b"no tensors")
    with pytest.raises(OptionError, match="damaged"):
        truth.load(path, "a")


def test_layers_are_followed_on_the_first_images_only(sampled):
    network, _ = sampled
    truth = _truth(network, 2, layer_images=1)
    assert truth.of("logits").mean.shape[0] == 2
    assert truth.of("body.head").mean.shape[0] == 1
    torch.testing.assert_close(truth.of("body.head").mean, truth.of("logits").mean[:1])


def test_the_modes_of_one_network_differ_in_propagation_alone():
    network = build(SPEC, "vdp", "exact", temperature=2.0, variance_scale=3.0).eval()
    found = {mode: propagate(in_mode(network, mode), _images()) for mode in ("taylor", "exact", "correlated")}
    plain_logits = network(_images())
    torch.testing.assert_close(found["exact"].logits.mean, plain_logits.mean)
    assert in_mode(network, "exact").options.variance_scale == 1
    variances = [each.logits.covariance for each in found.values()]
    assert not torch.allclose(variances[0], variances[1])
    assert not torch.allclose(variances[1], variances[2])


def test_agreement_is_what_the_formulas_say():
    truth = Sums(11, torch.tensor([0.0, 1, 2, 3, 9]).double(), 10 * torch.tensor([1.0, 4, 9, 16, 0]).double())
    analytic = Gaussian(torch.tensor([0.5, 1, 2, 1, 0]), torch.tensor([2.0, 4, 27, 16, 5]))
    found = agreement(analytic, truth)
    assert found.mean_error == pytest.approx((0.5 + 2 / 4) / 4)
    assert found.bias == pytest.approx((0.5 - 2 / 4) / 4)
    assert found.ratio.median == pytest.approx(1.5)
    assert found.spearman == pytest.approx(spearmanr([2, 4, 27, 16], [1, 4, 9, 16]).statistic)


def test_argmax_agreement_and_bound_count_voxels():
    p = torch.tensor([[0.7, 0.2, 0.4], [0.3, 0.8, 0.6]])[None]
    other = torch.tensor([[0.6, 0.6, 0.4], [0.4, 0.4, 0.6]])[None]
    assert argmax_agreement(p, other) == pytest.approx(2 / 3)
    variance = torch.tensor([[0.21, 0.16, 0.25], [0.1, -0.1, 0.0]])[None]
    assert within_bound(ClassMoments(p, variance)) == pytest.approx(4 / 6)


def test_the_scale_makes_up_for_a_variance_that_is_wrong_by_a_factor(plain, monkeypatch):
    network, _ = plain
    assert fit_variance_scale(network, _images(), samples=400) == pytest.approx(1, abs=0.08)
    module = "trustseg_training.moment_check.agreement.in_mode"

    def halved(network: nn.Module, mode: str) -> nn.Module:
        other = in_mode(network, mode)
        other.body.head.register_forward_hook(lambda _, __, out: out._replace(covariance=out.covariance / 2))
        return other

    monkeypatch.setattr(module, halved)
    assert fit_variance_scale(network, _images(), samples=400) == pytest.approx(2, rel=0.08)


@pytest.mark.parametrize(("count", "fitted", "others"), [(1, [0], []), (2, [0], [1]), (3, [0, 1], [2])])
def test_scale_is_evaluated_on_images_outside_of_its_fit(monkeypatch, count, fitted, others):
    seen = []

    def noting(analytic, sampled, images):
        seen.append(list(images))
        return variance_ratios(analytic, sampled, images)

    network, images = _network(), _images(count)
    truth = Truth(network, images, layer_images=0)
    for _ in range(20):
        truth.draw()
    for module in (measures, sys.modules[agreement.__module__]):
        monkeypatch.setattr(module, "variance_ratios", noting)
    crops = Crops(images, tuple(map(str, range(count))), count * ("clean",))
    found = measures.measure_modes(network, truth, crops, ("exact",))["modes"]["exact"]
    assert seen == [fitted, others, others]
    assert (found["after_scale"]["logits"] is None) == (not others)
    (target,) = (each for each in TARGETS if each.name == "after one scalar, other images")
    assert (target.shown(found) == "no other image") == (not others)
    if not others:
        assert not target.met(found)


def test_too_few_samples_for_a_scale_are_refused():
    with pytest.raises(OptionError, match="samples 5"):
        fit_variance_scale(_network(), _images(), samples=5)


def test_the_correlation_that_made_the_variances_is_found(sampled):
    """A truth that is itself propagated, with another r in every layer."""
    network, _ = sampled
    other = in_mode(network, "correlated")
    names = correlated_layers(other)
    given = {name: 0.2 + 0.15 * index for index, name in enumerate(names)}
    set_correlations(other, given)
    truth = Truth(network, _images(), 2)
    for name, (mean, variance) in propagated_layers(other, _images()).items():
        halves = (Sums(51, mean.double(), 50.5 * variance.double()) for _ in range(2))
        truth._sums[name] = tuple(halves)
    for local in (True, False):
        found = fit_correlations(in_mode(network, "correlated"), truth, local=local)
        # The first layer's input is certain; the transposed kernel sees one voxel of each channel.
        assert set(found) == {"body.encoder.1.0.0", "body.decoder.0.0.0"}
        for name, value in found.items():
            assert value == pytest.approx(given[name], abs=0.02), name
