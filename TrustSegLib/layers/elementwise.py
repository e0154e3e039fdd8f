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


class LeakyReLU(Propagate):
    """Leaky ReLU with exact moments; see `moments.ExactRectifier`. Slope 0 is the ordinary ReLU."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(moments.activate, rectifier=moments.ExactRectifier(negative_slope))


class MaxPool(Propagate):
    """Max-pooling, 2D or 3D; see `moments.max_pool`."""

    def __init__(self, kernel_size: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__(moments.max_pool, kernel_size=kernel_size, stride=stride, padding=padding)


class AveragePool(Propagate):
    """Average pooling, 2D or 3D; see `moments.average_pool` for the neighbors' `correlation`."""

    def __init__(
        self, kernel_size: int, stride: int | None = None, padding: int = 0, *, correlation: float = 0.0
    ) -> None:
        options = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
        super().__init__(moments.average_pool, correlation=correlation, **options)


class Upsample(Propagate):
    """Linear interpolation to `scale` times the size; see `moments.upsample_linear`."""

    def __init__(self, scale: int = 2, *, correlation: float = 0.0) -> None:
        super().__init__(moments.upsample_linear, scale=scale, correlation=correlation)


class Dropout(nn.Module):
    """Random in training, the identity at inference, where the scaling has been done already."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Gaussian) -> Gaussian:
        """(B, C, ...) to (B, C, ...)."""
        dropped = self.training and self.probability
        return moments.carry(x, moments.dropout(x, self.probability)) if dropped else x
