"""Layers without parameters: activation, pooling, up-sampling, dropout."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from TrustSegLib import moments
from TrustSegLib.moments import Gaussian


class Propagate(nn.Module):
    """A layer that is one function of moments with fixed options.

    Parameters
    ----------
    function : callable
        One of `TrustSegLib.moments` that takes a Gaussian first.
    **options
        Its other arguments.
    """

    def __init__(self, function: Callable[..., Gaussian], **options) -> None:
        super().__init__()
        self.function, self.options = function, options

    def forward(self, x: Gaussian) -> Gaussian:
        """(B, C, ...) to (B, C, ...)."""
        return moments.carry(x, self.function(x, **self.options))

    def extra_repr(self) -> str:
        """The function's name and options."""
        return ", ".join([self.function.__name__, *(f"{key}={value}" for key, value in self.options.items())])


class Dropout(nn.Module):
    """Random in training, the identity at inference, where the scaling has been done already."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Gaussian) -> Gaussian:
        """(B, C, ...) to (B, C, ...)."""
        dropped = self.training and self.probability
        return moments.carry(x, moments.dropout(x, self.probability)) if dropped else x
