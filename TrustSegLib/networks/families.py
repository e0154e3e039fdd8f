"""Model families: one call, one answer, the class moments."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..layers import RandomKernels
from ..moments import ClassMoments, LogitMoments, readout_exact, readout_taylor
from .layer_set import DeterministicLayers, VariationalLayers
from .spec import FAMILIES, PROPAGATIONS, NetworkSpec
from .unet import UNet


class DeterministicNetwork(nn.Module):
    """A network with fixed weights; its class probabilities have no variance."""

    family = "deterministic"

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.body = UNet(spec, DeterministicLayers(spec))

    @property
    def size_divisor(self) -> int:
        """Every spatial size of a patch is a multiple of this."""
        return self.spec.size_divisor

    def forward(self, x: Tensor) -> Tensor:
        """Image (B, C, D, H, W) to logits (B, K, D, H, W)."""
        return self.body(x)

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to class probabilities with variance 0."""
        p = torch.softmax(self(x).float(), dim=1)
        return ClassMoments(p, torch.zeros_like(p))


class VariationalNetwork(nn.Module):
    """A network with Gaussian weights that carries mean and variance in one pass.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    propagation : str
        ``taylor`` (as published), ``exact`` or ``correlated``.
    """

    family = "vdp"

    def __init__(self, spec: NetworkSpec, propagation: str = "exact") -> None:
        super().__init__()
        self.spec, self.propagation = spec, propagation
        self.body = UNet(spec, VariationalLayers(spec, propagation))

    @property
    def size_divisor(self) -> int:
        """Every spatial size of a patch is a multiple of this."""
        return self.spec.size_divisor

    def forward(self, x: Tensor) -> LogitMoments:
        """Image (B, C, D, H, W) to moments of the logits (B, K, D, H, W)."""
        return self.body(x)

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to mean and variance of the class probabilities."""
        readout = readout_taylor if self.propagation == "taylor" else readout_exact
        return readout(self(x))

    def random_layers(self) -> list[RandomKernels]:
        """The layers whose kernels are random."""
        return [module for module in self.modules() if isinstance(module, RandomKernels)]

    def kl_divergence(self) -> Tensor:
        """Sum over the layers of the divergence from their priors, in nats."""
        return torch.stack([layer.kl_divergence() for layer in self.random_layers()]).sum()

    def set_relative_variance(self, ratio: float) -> None:
        """Set every kernel's variance to ``ratio`` times the mean square of its weights."""
        for layer in self.random_layers():
            layer.set_relative_variance(ratio)


def build(spec: NetworkSpec, family: str = "vdp", propagation: str = "exact") -> nn.Module:
    """Build a network of a family.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    family : str
        ``vdp`` or ``deterministic``.
    propagation : str
        For ``vdp``: ``taylor``, ``exact`` or ``correlated``.

    Raises
    ------
    OptionError
        The family or the propagation is unknown.
    """
    if family not in FAMILIES:
        raise OptionError(f"network: family is {family!r}; choose one of {', '.join(FAMILIES)}")
    if propagation not in PROPAGATIONS:
        raise OptionError(f"network: propagation is {propagation!r}; choose one of {', '.join(PROPAGATIONS)}")
    return DeterministicNetwork(spec) if family == "deterministic" else VariationalNetwork(spec, propagation)


def start_from_deterministic(
    network: VariationalNetwork, state: dict[str, Tensor], relative_variance: float = 1e-2
) -> None:
    """Load a deterministic twin's weights as the means of a variational network.

    Parameters
    ----------
    network : VariationalNetwork
        Changed in place.
    state : dict
        The twin's ``state_dict``.
    relative_variance : float
        Kernel variance to start with, relative to the mean square of the kernel's weights.

    Raises
    ------
    OptionError
        The weights belong to another architecture.
    """
    expected = {name: value for name, value in network.state_dict().items() if not name.endswith(".rho")}
    if sorted(expected) != sorted(state) or any(state[n].shape != v.shape for n, v in expected.items()):
        raise OptionError("network: the deterministic weights belong to another spec; use the same one")
    network.load_state_dict(state, strict=False)
    network.set_relative_variance(relative_variance)
