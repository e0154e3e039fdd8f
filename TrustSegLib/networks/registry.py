"""The table of families and architectures, read by `build`, the training's settings and its command line.

Reading it loads no PyTorch: a network's class is imported when it is built.

To add a family, change three files:

1. `baselines.py` or `variational.py`: its network, a `network.Network` with ``family`` and ``class_moments``,
   and its layer set if none of `layer_sets` fits.
2. This file: its row in `FAMILIES`.
3. `bundle/model.schema.json`: its name among those of ``family``.

To add an architecture, write its class in `architectures.py` and its row in `ARCHITECTURES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

PROPAGATIONS = ("taylor", "exact", "correlated")
"""How moments pass through a layer: to first order, exactly, or exactly with correlated neighbors."""


@dataclass(frozen=True)
class Family:
    """One way to get the moments of class probabilities from an architecture.

    Attributes
    ----------
    name : str
        As bundles, settings and commands write it.
    network : str
        Its class, as ``file.Class`` of this package.
    options : tuple of str
        Fields of `FamilyOptions` that it takes.
    propagations : tuple of str
        Those of `PROPAGATIONS` that it can be built with; empty if there is no choice.
    trained : bool
        Whether it is trained as a whole; the members of an ensemble are trained one by one.
    random_weights : bool
        Whether its weights are random, so that the objective has a divergence from their prior.
    own_variances : bool
        Whether its weight variances start at published values, not at ``relative_variance``.
    """

    name: str
    network: str
    options: tuple[str, ...]
    propagations: tuple[str, ...] = ()
    trained: bool = True
    random_weights: bool = False
    own_variances: bool = False

    def network_class(self) -> type[nn.Module]:
        """Import the class of its networks."""
        return _imported(self.network)


@dataclass(frozen=True)
class Architecture:
    """An encoder-decoder that every family can be built on.

    Attributes
    ----------
    name : str
        As bundles, settings and commands write it.
    body : str
        Its class, as ``file.Class`` of this package.
    """

    name: str
    body: str

    def body_class(self) -> type[nn.Module]:
        """Import its class."""
        return _imported(self.body)


def _imported(place: str) -> type[nn.Module]:
    file, _, name = place.partition(".")
    return getattr(import_module(f"{__package__}.{file}"), name)


_SCALED = ("temperature", "class_bias")
_PROPAGATED = ("temperature", "variance_scale", "class_bias")
_SAMPLED = ("temperature", "passes", "seed", "class_bias")

FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="vdp",
            network="variational.VariationalNetwork",
            options=_PROPAGATED,
            propagations=PROPAGATIONS,
            random_weights=True,
        ),
        Family("deterministic", "baselines.DeterministicNetwork", _SCALED),
        Family("mc_dropout", "baselines.DropoutNetwork", _SAMPLED),
        Family(
            name="ensemble",
            network="baselines.Ensemble",
            options=("temperature", "members", "class_bias"),
            trained=False,
        ),
        Family(
            name="bayes_by_backprop",
            network="baselines.BayesByBackprop",
            options=_SAMPLED,
            random_weights=True,
        ),
        Family(
            name="supernet",
            network="variational.SuperNet",
            options=_PROPAGATED,
            random_weights=True,
            own_variances=True,
        ),
        Family("variance_head", "baselines.VarianceHeadNetwork", _PROPAGATED),
    )
}
"""The families by name."""

TRAINED_FAMILIES = tuple(family.name for family in FAMILIES.values() if family.trained)

ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("unet", "architectures.UNet"),
        Architecture("vnet", "architectures.VNet"),
        Architecture("fcn", "architectures.FCN"),
    )
}
"""The architectures by name."""
