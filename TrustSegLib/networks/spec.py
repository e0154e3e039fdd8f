"""What a network is made of, as a value that is written into bundles."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from ..errors import OptionError

_CHOICES = {
    "architecture": ("unet",),
    "dimensions": (2, 3),
    "normalization": ("instance", "group", "batch", "none"),
    "activation": ("relu", "leaky_relu"),
    "downsampling": ("max", "average", "strided"),
    "upsampling": ("transposed", "linear", "nearest"),
}

PROPAGATIONS = ("taylor", "exact", "correlated")
FAMILIES = ("vdp", "deterministic")


@dataclass(frozen=True)
class NetworkSpec:
    """A U-Net of any depth and width.

    Attributes
    ----------
    classes : int
        Number of classes, the background included.
    in_channels : int
        Channels of the image.
    filters : tuple of int
        Kernels of each level; their number is the depth.
    convolutions : int
        Convolutions per level and side.
    kernel_size : int
        Odd; same along every axis.
    architecture, dimensions, normalization, activation, downsampling, upsampling
        One of the choices of this module.
    groups : int
        Groups of group normalization.
    negative_slope : float
        Slope of the leaky ReLU below zero.
    dropout : float
        Share of activations dropped at the bottleneck in training, in [0, 1).

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
        for key in ("classes", "in_channels", "convolutions", "kernel_size", "groups"):
            _check_count(key, getattr(self, key))
        if not isinstance(self.filters, tuple) or not self.filters:
            raise OptionError(f"network: filters is {self.filters!r}; give one number per level")
        for count in self.filters:
            _check_count("filters", count)
        if self.classes < 2 or self.kernel_size % 2 == 0:
            raise OptionError("network: at least two classes and an odd kernel_size are needed")
        for key in ("dropout", "negative_slope"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
                raise OptionError(f"network: {key} is {value!r}; a number in [0, 1) is needed")
        if self.normalization == "group" and any(count % self.groups for count in self.filters):
            raise OptionError(f"network: groups {self.groups} does not divide all of filters {self.filters}")

    @property
    def size_divisor(self) -> int:
        """Every spatial size of a patch is a multiple of this."""
        return 2 ** (len(self.filters) - 1)

    def to_dict(self) -> dict:
        """As JSON writes it."""
        return {**asdict(self), "filters": list(self.filters)}

    @classmethod
    def from_dict(cls, values: dict) -> NetworkSpec:
        """Read what `to_dict` wrote.

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
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise OptionError(f"network: {key} is {value!r}; a whole number of at least 1 is needed")
