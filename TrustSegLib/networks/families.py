"""Model families: one call, one answer, the class moments."""

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
        For ``vdp``: ``taylor``, ``exact`` or ``correlated``. Other families have but one.
    **options
        Of the family; see `FamilyOptions` and `FAMILIES`.

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
    """Load another network's weights to start a training from.

    A network with the same variances gives its means and its variances; any other one, such as a
    deterministic twin, gives the means alone.

    Parameters
    ----------
    network : nn.Module
        Of the family ``vdp``, ``bayes_by_backprop``, ``variance_head``, ``mc_dropout`` or ``deterministic``;
        changed in place. What it has besides the twin's parameters begins with ``rho``.
    state : mapping of str to Tensor
        ``state_dict`` of a network of the same architecture, of the same family or another.
    relative_variance : float
        Weight variance to start with where ``state`` gives none, relative to the mean square of the kernel's
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
    """Skip everything of `torch.nn.init` while modules are built.

    Without a device to draw on, PyTorch would import its compiler for it, which takes a second.
    """

    def __torch_function__(self, function, types, arguments=(), settings=None):
        settings = settings or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return settings["tensor"] if "tensor" in settings else arguments[0]
        return function(*arguments, **settings)
