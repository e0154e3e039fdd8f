"""Networks and the families built on them; `build` makes one from a `NetworkSpec`."""

from .families import DeterministicNetwork, VariationalNetwork, build, start_from_deterministic
from .spec import FAMILIES, PROPAGATIONS, NetworkSpec

__all__ = [
    "FAMILIES",
    "PROPAGATIONS",
    "DeterministicNetwork",
    "NetworkSpec",
    "VariationalNetwork",
    "build",
    "start_from_deterministic",
]
