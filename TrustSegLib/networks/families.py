"""Model families: one call, one answer, the class moments."""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import OptionError
from .deterministic import DeterministicNetwork, VarianceHeadNetwork
from .drawn import BayesByBackprop, DropoutNetwork
from .ensemble import Ensemble
from .options import FamilyOptions
from .spec import PROPAGATIONS, NetworkSpec
from .variational import SuperNet, VariationalNetwork

_OF_ONE_PROPAGATION = (
    DeterministicNetwork,
    DropoutNetwork,
    Ensemble,
    BayesByBackprop,
    SuperNet,
    VarianceHeadNetwork,
)
_NETWORKS = {network.family: network for network in _OF_ONE_PROPAGATION}


def build(spec: NetworkSpec, family: str = "vdp", propagation: str = "exact", **options) -> nn.Module:
    """Build a network of a family.

    Every network has ``family``, ``spec``, ``options`` (a `FamilyOptions`), ``size_divisor``, ``forward`` and
    ``class_moments``; those with random weights have ``kl_divergence`` and ``set_relative_variance``.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    family : str
        One of `FAMILIES`.
    propagation : str
        For ``vdp``: ``taylor``, ``exact`` or ``correlated``. Other families have but one.
    **options
        Of the family; see `FamilyOptions` and `FAMILY_OPTIONS`.

    Raises
    ------
    OptionError
        The family, the propagation or an option is unknown, or they do not fit the specification.
    """
    values = FamilyOptions.of(family, options)
    if propagation not in PROPAGATIONS:
        raise OptionError(f"network: propagation is {propagation!r}; choose one of {', '.join(PROPAGATIONS)}")
    if family == "vdp":
        return VariationalNetwork(spec, propagation, values)
    return _NETWORKS[family](spec, values)


def start_from_deterministic(
    network: nn.Module, state: dict[str, Tensor], relative_variance: float = 1e-2
) -> None:
    """Load a deterministic twin's weights as the means of a network of another family.

    Parameters
    ----------
    network : nn.Module
        Of the family ``vdp``, ``bayes_by_backprop``, ``variance_head``, ``mc_dropout`` or ``deterministic``;
        changed in place. What it has besides the twin's parameters begins with ``rho``.
    state : dict
        The twin's ``state_dict``.
    relative_variance : float
        Weight variance to start with, relative to the mean square of the kernel's weights.

    Raises
    ------
    OptionError
        The weights belong to another architecture.
    """
    expected = {name: value for name, value in network.state_dict().items() if not _is_variance(name)}
    if sorted(expected) != sorted(state) or any(state[n].shape != v.shape for n, v in expected.items()):
        raise OptionError("network: the deterministic weights belong to another spec; use the same one")
    network.load_state_dict(state, strict=False)
    if hasattr(network, "set_relative_variance"):
        network.set_relative_variance(relative_variance)


def _is_variance(name: str) -> bool:
    return name.rpartition(".")[2].startswith("rho")
