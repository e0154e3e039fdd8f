"""A trained network with its weights drawn: ordinary layers, one set of kernels for every image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from TrustSegLib.errors import OptionError
from TrustSegLib.layers import GroupNorm, RandomKernels
from TrustSegLib.moments import Gaussian, LogitMoments, carry
from TrustSegLib.networks import build

#: Weight sets of one seed before those of the next begin. Torch's generator takes 32 bits of a seed only.
_SETS_PER_SEED = 10**6


class DrawnWeights:
    """The deterministic twin of a variational network, filled with ``W_k ~ N(m_k, s_k I)``.

    Normalization acts on each set's own activations, as it would in a network that was trained to these
    weights.

    Parameters
    ----------
    network : nn.Module
        Of the family ``vdp``.

    Attributes
    ----------
    twin : nn.Module
        Answers logits (B, K, D, H, W) of the set that was drawn last; the means before.

    Raises
    ------
    OptionError
        Another family: its moments are not those of Gaussian weights.
    """

    def __init__(self, network: nn.Module) -> None:
        if getattr(network, "family", None) != "vdp":
            family = getattr(network, "family", type(network).__name__)
            raise OptionError(f"family {family}: has no moments of Gaussian weights; choose a vdp model")
        with torch.random.fork_rng(devices=[]):
            self.twin = build(network.spec, "deterministic").eval()
        state = network.state_dict()
        self.twin.load_state_dict({name: state[name].clone() for name in self.twin.state_dict()})
        self.twin.requires_grad_(False).to(next(network.parameters()).device)
        layers = [(n, m) for n, m in network.named_modules() if isinstance(m, RandomKernels)]
        self._kernels = [(self.twin.get_submodule(name).weight, *_gaussian(layer)) for name, layer in layers]

    def draw(self, number: int, seed: int = 0) -> None:
        """Fill in weight set ``number``, the same one whenever it is asked for."""
        generator = torch.Generator().manual_seed(seed * _SETS_PER_SEED + number)
        for weight, mean, deviation in self._kernels:
            noise = torch.randn(mean.shape, generator=generator).to(mean)
            torch.addcmul(mean, deviation, noise, out=weight)


def _gaussian(layer: RandomKernels) -> tuple[Tensor, Tensor]:
    """Means, and standard deviations in a shape that fits them."""
    shape = [1] * layer.weight.dim()
    shape[layer.kernel_axis] = -1
    return layer.weight.detach().clone(), layer.weight_variance.detach().sqrt().view(shape)


def layer_pairs(network: nn.Module) -> dict[str, str]:
    """Layers of a variational network that answer moments, and the layer of the twin that draws them.

    Normalization and activation are two layers in the twin where they are one here.
    """
    pairs = {}
    for name, module in network.named_modules():
        container = isinstance(module, nn.ModuleList | nn.Sequential)  # may be empty
        if container or isinstance(module, nn.Identity) or any(True for _ in module.children()):
            continue
        fused = isinstance(module, GroupNorm) and module.rectifier is not None
        before, _, last = name.rpartition(".")
        pairs[name] = f"{before}.{int(last) + 1}" if fused else name
    return pairs


def as_gaussian(answer: Gaussian | LogitMoments) -> Gaussian:
    """Mean and variance of what a layer answers, as copies: later layers may write over it."""
    if isinstance(answer, LogitMoments):
        own = torch.diagonal(answer.covariance, dim1=1, dim2=2).movedim(-1, 1)
        return Gaussian(answer.mean.clone(), own.clone())
    return carry(answer, Gaussian(answer.mean.clone(), answer.variance.clone()))
