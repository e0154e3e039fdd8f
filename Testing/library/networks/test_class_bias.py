"""The bias of the class logits, which makes masks larger or smaller after training."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from TrustSegLib.errors import OptionError
from TrustSegLib.networks import FAMILIES, FamilyOptions, build

X = torch.randn(1, 1, 4, 4, 4, generator=torch.Generator().manual_seed(9))
BIAS = (-0.4, 0.7)


def _moments(network, **options):
    network.options = dataclasses.replace(network.options, **options)
    with torch.no_grad():
        return network.class_moments(X)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "supernet"])
def test_bias_equals_one_of_the_last_layer(make_network, family):
    """With a temperature, so that it is seen to be added before the division."""
    network = make_network(family)
    expected = _moments(network, temperature=2.0, class_bias=BIAS)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("head.bias"):
                value.add_(torch.tensor((0.0, *BIAS)))
    result = _moments(network, temperature=2.0, class_bias=())
    torch.testing.assert_close(result.mean, expected.mean)
    torch.testing.assert_close(result.variance, expected.variance)


@pytest.mark.parametrize("family", FAMILIES)
def test_positive_bias_makes_a_structure_more_likely_everywhere(make_network, family):
    plain = _moments(make_network(family))
    assert torch.equal(_moments(make_network(family), class_bias=[0, 0]).mean, plain.mean)
    more = _moments(make_network(family), class_bias=[0, 1.0])
    assert (more.mean[:, 2] > plain.mean[:, 2]).all()
    assert (more.mean[:, :2] < plain.mean[:, :2]).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_bias_that_does_not_fit_the_structures_is_refused(make_spec, family):
    with pytest.raises(OptionError, match="class_bias has 3 numbers; give 2, one for each structure"):
        build(make_spec(family), family, class_bias=[0.1, 0.2, 0.3])


@pytest.mark.parametrize("value", [0.5, "12", [True], ["1"], [float("nan")], [1e9], None])
def test_bias_that_is_no_list_of_numbers_is_refused(value):
    with pytest.raises(OptionError, match="network: class_bias is "):
        FamilyOptions(class_bias=value)


def test_bias_as_json_has_it_equals_that_of_a_program():
    assert FamilyOptions(class_bias=[1, -2.5]) == FamilyOptions(class_bias=(1.0, -2.5))
