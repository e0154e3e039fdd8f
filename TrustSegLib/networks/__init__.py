"""Networks and the families built on them; `build` makes one from a `NetworkSpec`."""

from .baselines import (
    BayesByBackprop,
    DeterministicNetwork,
    DropoutNetwork,
    Ensemble,
    VarianceHeadNetwork,
    join_members,
)
from .families import build, start_from
from .spec import FAMILIES, FAMILY_OPTIONS, PROPAGATIONS, FamilyOptions, NetworkSpec
from .variational import SuperNet, VariationalNetwork

__all__ = [
    "FAMILIES",
    "FAMILY_OPTIONS",
    "PROPAGATIONS",
    "BayesByBackprop",
    "DeterministicNetwork",
    "DropoutNetwork",
    "Ensemble",
    "FamilyOptions",
    "NetworkSpec",
    "SuperNet",
    "VarianceHeadNetwork",
    "VariationalNetwork",
    "build",
    "join_members",
    "start_from",
]
