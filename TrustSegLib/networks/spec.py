"""Specification of a network and options of its family, as bundles and training runs store them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from TrustSegLib.errors import OptionError

from .registry import ARCHITECTURES, FAMILIES

_CHOICES = {
    "architecture": tuple(ARCHITECTURES),
    "dimensions": (2, 3),
    "normalization": ("instance", "group", "batch", "none"),
    "activation": ("relu", "leaky_relu"),
    "downsampling": ("max", "average", "strided"),
    "upsampling": ("transposed", "linear", "nearest", "zero_insertion"),
}

#: Largest values of a network: a model file must not keep the loader busy forever.
_LARGEST = {
    "classes": 2**16,
    "in_channels": 2**16,
    "convolutions": 16,
    "kernel_size": 63,
    "groups": 2**16,
    "dimensions": 3,
    "filters": 2**16,
}
_MOST_LEVELS = 16
_COUNT_RANGES = {"passes": (1, 1000), "members": (1, 100), "seed": (0, 2**63 - 1)}
#: Bounds of temperature and variance scale, so that no moment overflows.
_SMALLEST_SCALE, _LARGEST_SCALE = 1e-6, 1e6
_LARGEST_BIAS = 100.0


@dataclass(frozen=True)
class NetworkSpec:
    """Specification of an encoder-decoder of any depth and width.

    Attributes
    ----------
    classes : int
        Number of classes, the background included.
    in_channels : int
        Channels of the image.
    filters : tuple of int
        Number of kernels of each level, the finest first.
    convolutions : int
        Convolutions per level and side.
    kernel_size : int
        Odd, and the same along every axis.
    architecture : str
        One of `ARCHITECTURES`.
    dimensions : int
        2 or 3.
    normalization : str
        ``instance``, ``group``, ``batch`` or ``none``.
    activation : str
        ``relu`` or ``leaky_relu``.
    downsampling : str
        ``max``, ``average`` or ``strided``; a V-Net always has strided convolutions of size 2.
    upsampling : str
        ``transposed``, ``linear``, ``nearest`` or ``zero_insertion``.
    groups : int
        Number of groups of group normalization.
    negative_slope : float
        Slope of the leaky ReLU below zero.
    dropout : float
        Fraction of activations dropped at the bottleneck in training, in [0, 1).

    Raises
    ------
    OptionError
        A value is not one of the choices or not in its range.
    """

    classes: int
    in_channels: int = 1
    filters: tuple[int, ...] = (12, 24, 48)
    convolutions: int = 2
    kernel_size: int = 3
    architecture: str = "unet"
    dimensions: int = 3
    normalization: str = "instance"
    groups: int = 4
    activation: str = "leaky_relu"
    negative_slope: float = 0.01
    downsampling: str = "max"
    upsampling: str = "transposed"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for key, choices in _CHOICES.items():
            if getattr(self, key) not in choices:
                raise OptionError(f"network: {key} is {getattr(self, key)!r}; choose one of {choices}")
        for key in ("classes", "in_channels", "convolutions", "kernel_size", "groups", "dimensions"):
            _check_count(key, getattr(self, key))
        self._check_filters()
        if self.classes < 2 or self.kernel_size % 2 == 0:
            raise OptionError("network: at least two classes and an odd kernel_size are needed")
        for key in ("dropout", "negative_slope"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
                raise OptionError(f"network: {key} is {value!r}; a number in [0, 1) is needed")

    def _check_filters(self) -> None:
        if not isinstance(self.filters, tuple) or not 1 <= len(self.filters) <= _MOST_LEVELS:
            shown = f"{self.filters!r:.80}"
            raise OptionError(f"network: filters is {shown}; give one number per level, 1 to {_MOST_LEVELS}")
        for count in self.filters:
            _check_count("filters", count)
        if self.normalization == "group" and any(count % self.groups for count in self.filters):
            raise OptionError(f"network: groups {self.groups} does not divide all of filters {self.filters}")

    @property
    def size_divisor(self) -> int:
        """Every spatial size of a patch is a multiple of this."""
        return 2 ** (len(self.filters) - 1)

    def to_dict(self) -> dict:
        """Fields as JSON values."""
        return {**asdict(self), "filters": list(self.filters)}

    @classmethod
    def from_dict(cls, values: dict) -> NetworkSpec:
        """Specification from the values of `to_dict`.

        Raises
        ------
        OptionError
            A key is unknown or missing, or a value is not valid.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise OptionError(f"network: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        if "classes" not in values:
            raise OptionError("network: classes is missing")
        filters = values.get("filters", cls.filters)
        return cls(**{**values, "filters": tuple(filters) if isinstance(filters, list) else filters})


def _check_count(key: str, value: object) -> None:
    most = _LARGEST[key]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise OptionError(f"network: {key} is {value!r:.40}; a whole number from 1 to {most} is needed")


@dataclass(frozen=True)
class FamilyOptions:
    """Options of `build`; each family takes those that its row in `FAMILIES` names.

    Attributes
    ----------
    passes : int
        Number of random passes at inference.
    seed : int
        Seed of their random numbers, which differ between CPU and CUDA.
    members : int
        Number of networks of an ensemble.
    temperature : float
        Divides the logits, before the softmax or the readout.
    variance_scale : float
        Multiplies the covariance of the logits.
    class_bias : tuple of float
        Added to the logits of the structures, one for each, before the temperature; that of the background is
        0. Empty: nothing is added.

    Raises
    ------
    OptionError
        A value is out of its range.
    """

    passes: int = 20
    seed: int = 0
    members: int = 5
    temperature: float = 1.0
    variance_scale: float = 1.0
    class_bias: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self._check_bias()
        for key, (low, high) in _COUNT_RANGES.items():
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise OptionError(
                    f"network: {key} is {value!r:.40}; give a whole number from {low} to {high}"
                )
        for key in ("temperature", "variance_scale"):
            value = getattr(self, key)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not _SMALLEST_SCALE <= value <= _LARGEST_SCALE:
                raise OptionError(
                    f"network: {key} is {value!r:.40}; "
                    f"give a number from {_SMALLEST_SCALE:g} to {_LARGEST_SCALE:g}"
                )

    def _check_bias(self) -> None:
        """JSON has lists."""
        values = self.class_bias
        if not isinstance(values, (list, tuple)) or not all(map(_is_bias, values)):
            raise OptionError(
                f"network: class_bias is {values!r:.80}; give one number for each structure, from "
                f"{-_LARGEST_BIAS:g} to {_LARGEST_BIAS:g}"
            )
        object.__setattr__(self, "class_bias", tuple(map(float, values)))

    @classmethod
    def of(cls, family: str, values: Mapping[str, object]) -> FamilyOptions:
        """Options of a family, with defaults for those without a value.

        Raises
        ------
        OptionError
            The family is unknown or does not take an option, or a value is out of its range.
        """
        if family not in FAMILIES:
            raise OptionError(f"network: family is {family!r}; choose one of {', '.join(FAMILIES)}")
        taken = FAMILIES[family].options
        if unknown := sorted(set(values) - set(taken)):
            raise OptionError(f"network: {family} takes no {unknown[0]!r}; it takes {', '.join(taken)}")
        return cls(**values)


def _is_bias(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and abs(value) <= _LARGEST_BIAS
