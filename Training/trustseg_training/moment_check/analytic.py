"""The moments that a network propagates, layer by layer and at the output, for each propagation mode.

Also the correlation of neighboring voxels' errors that fits the sampled variances best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from TrustSegLib.moments import ClassMoments, Gaussian, LogitMoments, carry, readout_exact, readout_taylor
from TrustSegLib.networks import build

from .sampling import BATCH, NO_VARIANCE, Truth, as_gaussian, layer_pairs

#: Takes a layer's name, the layer, its input and its output; what it returns replaces the output.
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
        """Moments of one of `sampling.OUTPUTS`."""
        if name == "probabilities":
            return Gaussian(*self.classes)
        return contrasts(self.logits) if name == "contrasts" else as_gaussian(self.logits)


def in_mode(network: nn.Module, mode: str) -> nn.Module:
    """The same weights in another propagation mode, without temperature, variance scale and class bias."""
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
    """Call a function with every layer whose output is moments while the network runs."""

    def showing(name: str) -> Callable[..., Gaussian | None]:
        return lambda module, inputs, output: watcher(name, module, inputs, output)

    hooks = [
        network.get_submodule(name).register_forward_hook(showing(name)) for name in layer_pairs(network)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def propagated_layers(network: nn.Module, images: Tensor) -> dict[str, Gaussian]:
    """Moments of every layer's output, with the errors of all layers before it."""
    found: dict[str, Gaussian] = {}

    def keep(name: str, _: nn.Module, __: tuple, output: Gaussian | LogitMoments) -> None:
        found[name] = as_gaussian(output)

    with torch.no_grad(), watched(network, keep):
        network(images)
    return found


def local_layers(network: nn.Module, truth: Truth) -> dict[str, Gaussian]:
    """Moments of every layer's output given the sampled moments of its input: the layer's own error."""
    found: dict[str, Gaussian] = {}
    sampled = sampled_layers(truth)

    def replace(name: str, _: nn.Module, __: tuple, output: Gaussian | LogitMoments) -> Gaussian | None:
        found[name] = as_gaussian(output)
        return None if isinstance(output, LogitMoments) else carry(output, as_gaussian(sampled[name]))

    with torch.no_grad(), watched(network, replace):
        network(truth.images[: truth.layer_images])
    return found


def sampled_layers(truth: Truth) -> Mapping[str, Gaussian]:
    """Mean and variance of every layer's output over the weight sets, float32."""
    moments = {name: truth.of(name) for name in truth.pairs}
    return {name: Gaussian(each.mean.float(), each.variance.float()) for name, each in moments.items()}


_OPTION = "correlation"

#: Mean square of ``(v(1) - v(0)) / v`` that is rounding: the kernel sees one voxel of each channel.
_NO_STEP = 1e-8


def correlated_layers(network: nn.Module) -> list[str]:
    """Names of the layers that have a correlation r: convolutions of random inputs over several voxels."""
    found = []
    for name, module in network.named_modules():
        options = getattr(module, "options", None)
        if isinstance(options, dict) and _OPTION in options:
            found.append(name)
    return found


def fit_correlations(network: nn.Module, truth: Truth, *, local: bool) -> dict[str, float]:
    """Fit r of every layer to the sampled variance of its output.

    The variance of a layer is linear in r, ``v(r) = (1 - r) v(0) + r v(1)``; r minimizes the mean of
    ``(v(r) / v_sampled - 1)^2``. It is not held within [0, 1]: a value outside shows that something other
    than neighbors is missing.

    Parameters
    ----------
    network : nn.Module
        Of `in_mode`, in the mode ``correlated``.
    truth : Truth
        With layers.
    local : bool
        True: every layer gets the sampled moments of its input, so that r is its own. False: it gets the
        propagated ones, with the r that was fitted before it, so that r makes up for earlier errors as well.

    Returns
    -------
    dict of str to float
        A layer whose r changes nothing, such as the first, is left out.
    """
    fitted: dict[str, float] = {}
    sampled, names = sampled_layers(truth), set(correlated_layers(network))

    def fit(name: str, module: nn.Module, inputs: tuple, output: Gaussian | LogitMoments) -> Gaussian | None:
        if name in names and isinstance(inputs[0], Gaussian):
            ends = [_variance(module, inputs[0], end) for end in (0.0, 1.0)]
            found = _least_squares(*ends, sampled[name].variance)
            if found is not None:
                fitted[name] = found
                held = min(max(found, 0.0), 1.0)
                output = carry(output, Gaussian(output.mean, torch.lerp(*ends, held)))
        if isinstance(output, LogitMoments):
            return None
        return carry(output, as_gaussian(sampled[name] if local else output))

    with torch.no_grad(), watched(network, fit):
        network(truth.images[: truth.layer_images])
    return fitted


def set_correlations(network: nn.Module, values: Mapping[str, float]) -> None:
    """Give layers their own r, held within [0, 1]; in place."""
    for name, value in values.items():
        network.get_submodule(name).options[_OPTION] = min(max(value, 0.0), 1.0)


def _variance(module: nn.Module, x: Gaussian, correlation: float) -> Tensor:
    before = module.options[_OPTION]
    module.options[_OPTION] = correlation
    try:
        return module.forward(x).variance.clone()  # not by a call, which would be watched again
    finally:
        module.options[_OPTION] = before


def _least_squares(none: Tensor, full: Tensor, truth: Tensor) -> float | None:
    """The r that brings ``v(r) / truth`` closest to 1."""
    varies = truth > NO_VARIANCE
    start = (none[varies] / truth[varies]).double()
    step = (full[varies] / truth[varies]).double() - start
    size = float(step.square().sum())
    return float((step * (1 - start)).sum()) / size if size > _NO_STEP * len(step) else None
