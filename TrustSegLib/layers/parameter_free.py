"""Layers without parameters: activations, pooling, up-sampling and dropout of Gaussians."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from TrustSegLib import moments
from TrustSegLib.moments import ExactRectifier, Gaussian, Rectifier, TaylorRectifier

_RECTIFIERS = {"taylor": TaylorRectifier, "exact": ExactRectifier, "correlated": ExactRectifier}


def rectifier(negative_slope: float, propagation: str = "exact") -> Rectifier:
    """Moments of a leaky ReLU, as the normalization layers and `moments.activate` take them.

    Parameters
    ----------
    negative_slope : float
        Slope below zero; 0 is the ordinary ReLU.
    propagation : str
        ``taylor`` for first-order moments; ``exact`` and ``correlated`` for exact ones.

    Raises
    ------
    ValueError
        The propagation is unknown.
    """
    if propagation not in _RECTIFIERS:
        raise ValueError(f"propagation is {propagation!r}; choose one of {', '.join(_RECTIFIERS)}")
    return _RECTIFIERS[propagation](negative_slope)


class Propagate(nn.Module):
    """A function of moments with fixed options, as a layer.

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
        """Name and options of the function."""
        return ", ".join([self.function.__name__, *(f"{key}={value}" for key, value in self.options.items())])


class LeakyReLU(Propagate):
    """Leaky ReLU of a Gaussian; see `moments.activate`.

    Parameters
    ----------
    negative_slope : float
        Slope below zero.
    propagation : str
        ``exact``, ``correlated`` (the same, as voxels are treated separately) or ``taylor`` (first order).
    """

    def __init__(self, negative_slope: float = 0.01, propagation: str = "exact") -> None:
        super().__init__(moments.activate, rectifier=rectifier(negative_slope, propagation))


class ReLU(LeakyReLU):
    """ReLU of a Gaussian; ``propagation`` as in `LeakyReLU`."""

    def __init__(self, propagation: str = "exact") -> None:
        super().__init__(0.0, propagation)


class MaxPool(Propagate):
    """Max pooling of a Gaussian; see `moments.max_pool`."""

    def __init__(self, kernel_size: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__(moments.max_pool, kernel_size=kernel_size, stride=stride, padding=padding)


class AveragePool(Propagate):
    """Average pooling of a Gaussian; see `moments.average_pool`."""

    def __init__(
        self, kernel_size: int, stride: int | None = None, padding: int = 0, *, correlation: float = 0.0
    ) -> None:
        options = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
        super().__init__(moments.average_pool, **options, correlation=correlation)


class Upsample(Propagate):
    """Up-sampling of a Gaussian; see `moments.upsample_linear` and `moments.upsample_nearest`.

    Parameters
    ----------
    scale : int
        Factor along each axis.
    mode : str
        ``linear`` (bi- or trilinear) or ``nearest``.
    correlation : float
        Of neighboring voxels, for ``linear``.

    Raises
    ------
    ValueError
        The mode is unknown.
    """

    def __init__(self, scale: int = 2, mode: str = "linear", *, correlation: float = 0.0) -> None:
        if mode == "linear":
            super().__init__(moments.upsample_linear, scale=scale, correlation=correlation)
        elif mode == "nearest":
            super().__init__(moments.upsample_nearest, scale=scale)
        else:
            raise ValueError(f"mode is {mode!r}; choose linear or nearest")


class Dropout(nn.Module):
    """Dropout of a Gaussian: random in training, the identity at inference; see `moments.dropout`.

    Parameters
    ----------
    probability : float
        Fraction of activations to drop, in [0, 1).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Gaussian) -> Gaussian:
        """(B, C, ...) to (B, C, ...)."""
        dropped = self.training and self.probability
        return moments.carry(x, moments.dropout(x, self.probability)) if dropped else x

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.probability}"
