"""Head with a predicted variance of every logit."""

from __future__ import annotations

import pytest
import torch

from TrustSegLib.layers import VarianceHead
from TrustSegLib.layers.variance_head import INITIAL_VARIANCE


@pytest.mark.parametrize("dimensions", [2, 3])
def test_untrained_head_has_the_same_variance_for_every_logit(dimensions):
    head = VarianceHead(4, 3, dimensions)
    logits = head(torch.randn(2, 4, *(5,) * dimensions))
    eye = torch.eye(3).view(1, 3, 3, *(1,) * dimensions)
    assert logits.mean.shape == (2, 3, *(5,) * dimensions)
    torch.testing.assert_close(logits.covariance, (INITIAL_VARIANCE * eye).expand_as(logits.covariance))


def test_variance_follows_the_features_of_its_own_class():
    head = VarianceHead(1, 2, 2)
    with torch.no_grad():
        head.rho_weight[1] = 1.0
        head.rho_bias.zero_()
    covariance = head(torch.tensor([[[[0.0, 3.0]]]])).covariance
    torch.testing.assert_close(covariance[0, 0, 0, 0], torch.full((2,), 2.0).log())
    torch.testing.assert_close(covariance[0, 1, 1, 0], (1 + torch.tensor([0.0, 3.0]).exp()).log())
    assert covariance[0, 0, 1].abs().max() == 0


def test_gradient_reaches_the_variance_from_the_start():
    head = VarianceHead(4, 3)
    head(torch.randn(1, 4, 2, 2, 2)).covariance.sum().backward()
    assert head.rho_weight.grad.abs().min() > 0
    assert head.rho_bias.grad.abs().min() > 0
