"""Networks and the families built on them; `build` makes one from a `NetworkSpec`.

Importing it loads no PyTorch before a network is asked for: settings and command lines read the tables.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .registry import ARCHITECTURES, FAMILIES, PROPAGATIONS, TRAINED_FAMILIES, Architecture, Family
from .spec import FamilyOptions, NetworkSpec

if TYPE_CHECKING:
    from .baselines import (
        BayesByBackprop,
        DeterministicNetwork,
        DropoutNetwork,
        Ensemble,
        VarianceHeadNetwork,
        join_members,
    )
    from .families import build, start_from
    from .variational import SuperNet, VariationalNetwork

__all__ = [
    "ARCHITECTURES",
    "FAMILIES",
    "PROPAGATIONS",
    "TRAINED_FAMILIES",
    "Architecture",
    "BayesByBackprop",
    "DeterministicNetwork",
    "DropoutNetwork",
    "Ensemble",
    "Family",
    "FamilyOptions",
    "NetworkSpec",
    "SuperNet",
    "VarianceHeadNetwork",
    "VariationalNetwork",
    "build",
    "join_members",
    "start_from",
]

_WITH_TORCH = {
    "baselines": (
        "BayesByBackprop",
        "DeterministicNetwork",
        "DropoutNetwork",
        "Ensemble",
        "VarianceHeadNetwork",
        "join_members",
    ),
    "families": ("build", "start_from"),
    "variational": ("SuperNet", "VariationalNetwork"),
}
"""What is imported when it is first asked for, by its file."""


def __getattr__(name: str) -> Any:
    for file, names in _WITH_TORCH.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
