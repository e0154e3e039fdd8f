"""The correlation of neighboring voxels' errors, layer by layer, that fits the sampled variances best."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from TrustSegLib.moments import Gaussian, LogitMoments, carry

from .analytic import as_gaussian, sampled_layers, watched
from .truth import Truth

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
    """Fit r of every layer against the sampled variance of its answer.

    The variance of a layer is linear in r, ``v(r) = (1 - r) v(0) + r v(1)``; r minimizes the mean of
    ``(v(r) / v_sampled - 1)^2``. It is not held within [0, 1]: what leaves it tells that something else than
    neighbors is missing.

    Parameters
    ----------
    network : nn.Module
        Of `analytic.in_mode`, in the mode ``correlated``.
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

    def fit(name: str, module: nn.Module, inputs: tuple, answer: Gaussian | LogitMoments) -> Gaussian | None:
        if name in names and isinstance(inputs[0], Gaussian):
            ends = [_variance(module, inputs[0], end) for end in (0.0, 1.0)]
            found = _least_squares(*ends, sampled[name].variance)
            if found is not None:
                fitted[name] = found
                held = min(max(found, 0.0), 1.0)
                answer = carry(answer, Gaussian(answer.mean, torch.lerp(*ends, held)))
        if isinstance(answer, LogitMoments):
            return None
        return carry(answer, as_gaussian(sampled[name] if local else answer))

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
    varies = truth > 1e-12
    start = (none[varies] / truth[varies]).double()
    step = (full[varies] / truth[varies]).double() - start
    size = float(step.square().sum())
    return float((step * (1 - start)).sum()) / size if size > _NO_STEP * len(step) else None
