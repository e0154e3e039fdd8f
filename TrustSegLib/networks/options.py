"""What a family needs to know besides its architecture, as a value that is written into bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import OptionError

#: The families, and the options each one takes.
FAMILY_OPTIONS = {
    "vdp": ("temperature", "variance_scale"),
    "deterministic": ("temperature",),
    "mc_dropout": ("temperature", "passes", "seed"),
    "ensemble": ("temperature", "members"),
    "bayes_by_backprop": ("temperature", "passes", "seed"),
    "supernet": ("temperature", "variance_scale"),
    "variance_head": ("temperature", "variance_scale"),
}
FAMILIES = tuple(FAMILY_OPTIONS)

_COUNTS = {"passes": (1, 1000), "members": (1, 100), "seed": (0, 2**63 - 1)}

#: Bounds of temperature and variance scale, so that no moment overflows.
_SMALLEST, _LARGEST = 1e-6, 1e6


@dataclass(frozen=True)
class FamilyOptions:
    """Options of `build`; each family takes those that `FAMILY_OPTIONS` names.

    Attributes
    ----------
    passes : int
        Passes that are averaged at inference.
    seed : int
        Of their random numbers, which are the network's own and differ between CPU and CUDA.
    members : int
        Networks of an ensemble.
    temperature : float
        The logits are divided by it before the softmax or the readout.
    variance_scale : float
        The covariance of the logits is multiplied by it.

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

    def __post_init__(self) -> None:
        for key, (low, high) in _COUNTS.items():
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise OptionError(
                    f"network: {key} is {value!r:.40}; give a whole number from {low} to {high}"
                )
        for key in ("temperature", "variance_scale"):
            value = getattr(self, key)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not _SMALLEST <= value <= _LARGEST:
                raise OptionError(
                    f"network: {key} is {value!r:.40}; give a number from {_SMALLEST:g} to {_LARGEST:g}"
                )

    @classmethod
    def of(cls, family: str, values: Mapping[str, object]) -> FamilyOptions:
        """Options of a family, the defaults where there is no value.

        Raises
        ------
        OptionError
            The family is unknown or does not take an option, or a value is out of its range.
        """
        if family not in FAMILIES:
            raise OptionError(f"network: family is {family!r}; choose one of {', '.join(FAMILIES)}")
        taken = FAMILY_OPTIONS[family]
        if unknown := sorted(set(values) - set(taken)):
            raise OptionError(f"network: {family} takes no {unknown[0]!r}; it takes {', '.join(taken)}")
        return cls(**values)
