"""The moments that a network propagates: layer by layer and at the output, for a propagation mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from TrustSegLib.moments import ClassMoments, Gaussian, LogitMoments, carry, readout_exact, readout_taylor
from TrustSegLib.networks import build

from .drawn_weights import as_gaussian, layer_pairs
from .truth import BATCH, Truth

#: Of one layer: its name, itself, its input and its answer. What it returns takes the answer's place.
Watcher = Callable[[str, nn.Module, tuple, Gaussian | LogitMoments], Gaussian | None]


@dataclass(frozen=True, eq=False)
class Analytic:
    """Moments of the outputs of all images.

    Attributes
    ----------
    logits : LogitMoments
        (N, K, ...) and (N, K, K, ...), without temperature and variance scale.
    classes : ClassMoments
        (N, K, ...).
    """

    logits: LogitMoments
    classes: ClassMoments

    def output(self, name: str) -> Gaussian:
        """Moments of what `truth.OUTPUTS` names."""
        if name == "probabilities":
            return Gaussian(*self.classes)
        return contrasts(self.logits) if name == "contrasts" else as_gaussian(self.logits)


def in_mode(network: nn.Module, mode: str) -> nn.Module:
    """The same weights in another propagation mode, without temperature and variance scale."""
    with torch.random.fork_rng(devices=[]):
        other = build(network.spec, "vdp", mode).eval()
    other.load_state_dict(network.state_dict())
    return other.requires_grad_(False).to(next(network.parameters()).device)


@torch.no_grad()
def propagate(network: nn.Module, images: Tensor) -> Analytic:
    """Pass images (N, C, D, H, W) through a network of `in_mode`."""
    parts = [network(batch) for batch in images.split(BATCH)]
    logits = LogitMoments(*(torch.cat(moments) for moments in zip(*parts, strict=True)))
    readout = readout_taylor if network.propagation == "taylor" else readout_exact
    return Analytic(logits, readout(logits))


def contrasts(logits: LogitMoments) -> Gaussian:
    """Moments (N, K - 1, ...) of the logits less the first class's: all that a softmax sees."""
    c = logits.covariance
    variance = [c[:, k, k] - 2 * c[:, k, 0] + c[:, 0, 0] for k in range(1, c.shape[1])]
    return Gaussian(logits.mean[:, 1:] - logits.mean[:, :1], torch.stack(variance, dim=1))


@contextmanager
def watched(network: nn.Module, watcher: Watcher) -> Iterator[None]:
    """Show every layer that answers moments to a function while the network runs."""

    def showing(name: str) -> Callable[..., Gaussian | None]:
        return lambda module, inputs, answer: watcher(name, module, inputs, answer)

    hooks = [
        network.get_submodule(name).register_forward_hook(showing(name)) for name in layer_pairs(network)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def propagated_layers(network: nn.Module, images: Tensor) -> dict[str, Gaussian]:
    """Moments of every layer's answer, with the errors of all layers before it."""
    found: dict[str, Gaussian] = {}

    def keep(name: str, _: nn.Module, __: tuple, answer: Gaussian | LogitMoments) -> None:
        found[name] = as_gaussian(answer)

    with torch.no_grad(), watched(network, keep):
        network(images)
    return found


def local_layers(network: nn.Module, truth: Truth) -> dict[str, Gaussian]:
    """Moments of every layer's answer to the sampled moments of its input: the error of this layer alone."""
    found: dict[str, Gaussian] = {}
    sampled = sampled_layers(truth)

    def replace(name: str, _: nn.Module, __: tuple, answer: Gaussian | LogitMoments) -> Gaussian | None:
        found[name] = as_gaussian(answer)
        return None if isinstance(answer, LogitMoments) else carry(answer, as_gaussian(sampled[name]))

    with torch.no_grad(), watched(network, replace):
        network(truth.images[: truth.layer_images])
    return found


def sampled_layers(truth: Truth) -> Mapping[str, Gaussian]:
    """Mean and variance of every layer's answer over the weight sets, float32."""
    moments = {name: truth.of(name) for name in truth.pairs}
    return {name: Gaussian(each.mean.float(), each.variance.float()) for name, each in moments.items()}
