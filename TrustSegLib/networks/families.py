"""Build networks of any family, and start them from the weights of another."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from TrustSegLib.errors import OptionError

from .registry import FAMILIES, PROPAGATIONS
from .spec import FamilyOptions, NetworkSpec


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
        ``taylor``, ``exact`` or ``correlated``, for families that have the choice; ignored by the others.
    **options
        Of the family; see `FamilyOptions` and `FAMILIES`.

    Returns
    -------
    nn.Module
        In training mode, with random weights.

    Raises
    ------
    OptionError
        The family, the propagation or an option is unknown, or they do not fit the specification.
    """
    values = FamilyOptions.of(family, options)
    if propagation not in PROPAGATIONS:
        raise OptionError(f"network: propagation is {propagation!r}; choose one of {', '.join(PROPAGATIONS)}")
    network = FAMILIES[family].network_class()
    return network(spec, propagation, values) if FAMILIES[family].propagations else network(spec, values)


def start_from(network: nn.Module, state: Mapping[str, Tensor], relative_variance: float = 1e-2) -> None:
    """Load the weights of another network, to start a training from them.

    A network with the same variance parameters provides means and variances; another one, such as a
    deterministic twin, provides the means only.

    Parameters
    ----------
    network : nn.Module
        Of any family but ``ensemble``; changed in place. The names of parameters that a deterministic twin
        does not have begin with ``rho``.
    state : mapping of str to Tensor
        State dict of a network of the same architecture, of any of these families.
    relative_variance : float
        Initial variance of the weights if ``state`` has none, relative to the mean square of the kernel's
        weights.

    Raises
    ------
    OptionError
        The weights belong to another architecture.
    """
    own = network.state_dict()
    if _same_shapes(own, state):
        network.load_state_dict(state)
        return
    means = _without_variances(state)
    if not _same_shapes(_without_variances(own), means):
        raise OptionError("network: the weights belong to another architecture; start from one of the same")
    network.load_state_dict(means, strict=False)
    if hasattr(network, "set_relative_variance"):
        network.set_relative_variance(relative_variance)


def _same_shapes(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return {name: value.shape for name, value in one.items()} == {
        name: value.shape for name, value in other.items()
    }


def _without_variances(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not _is_variance(name)}


def _is_variance(name: str) -> bool:
    return name.rpartition(".")[2].startswith("rho")


class Uninitialized(TorchFunctionMode):
    """Skip `torch.nn.init` while modules are built.

    On the meta device PyTorch would import its compiler for it, which takes a second.
    """

    def __torch_function__(self, function, types, arguments=(), settings=None):
        settings = settings or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return settings["tensor"] if "tensor" in settings else arguments[0]
        return function(*arguments, **settings)
