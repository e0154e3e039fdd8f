"""Families with fixed weights: the plain network, and the one that learns a variance."""

from __future__ import annotations

import torch
from torch import Tensor

from ..moments import ClassMoments, readout_exact
from .deterministic_layers import DeterministicLayers, VarianceHeadLayers
from .network import Network, tempered_moments, tempered_softmax
from .options import FamilyOptions
from .spec import NetworkSpec

_DEFAULTS = FamilyOptions()


class DeterministicNetwork(Network):
    """A network with fixed weights; its class probabilities have no variance."""

    family = "deterministic"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__(spec, DeterministicLayers(spec), options)

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to class probabilities with variance 0."""
        p = tempered_softmax(self(x), self.options.temperature)
        return ClassMoments(p, torch.zeros_like(p))


class VarianceHeadNetwork(Network):
    """A network with fixed weights whose last layer also tells the variance of every logit.

    See `layers.VarianceHead`. The variance is what the data leave open (aleatoric), not what the weights do.
    """

    family = "variance_head"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        super().__init__(spec, VarianceHeadLayers(spec), options)

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to mean and variance of the class probabilities."""
        return readout_exact(tempered_moments(self(x), self.options))
