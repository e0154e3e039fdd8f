"""Networks and the families built on them; `build` makes one from a `NetworkSpec`."""

from .deterministic import DeterministicNetwork, VarianceHeadNetwork
from .drawn import BayesByBackprop, DropoutNetwork
from .ensemble import Ensemble, join_members
from .families import build, start_from
from .options import FAMILIES, FAMILY_OPTIONS, FamilyOptions
from .spec import PROPAGATIONS, NetworkSpec
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
