"""The numbers of a check: outputs and layers of every mode against the sampled ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from TrustSegLib.moments import Gaussian

from .agreement import (
    agreement,
    argmax_agreement,
    compare,
    scale_of,
    summarized,
    variance_ratios,
    within_bound,
)
from .analytic import (
    Analytic,
    fit_correlations,
    in_mode,
    local_layers,
    propagate,
    propagated_layers,
    sampled_layers,
    set_correlations,
)
from .crops import Crops
from .sampling import OUTPUTS, Truth

#: The mode ``correlated`` with the r of every layer fitted; not a mode of the library.
FITTED = "correlated, r per layer"

Numbers = dict[str, Any]


def measure_modes(network: nn.Module, truth: Truth, crops: Crops, modes: tuple[str, ...]) -> Numbers:
    """Compare every mode with the truth.

    Returns
    -------
    dict
        ``modes``: outputs and layers of each; ``correlation``: r of each layer that has one, fitted;
        ``truth``: the difference of the two halves of the weight sets.
    """
    networks = {mode: in_mode(network, mode) for mode in modes}
    correlation = {}
    if "correlated" in modes and truth.pairs:
        networks[FITTED] = in_mode(network, "correlated")
        for kind, local in (("propagated", False), ("local", True)):
            correlation[kind] = fit_correlations(in_mode(network, "correlated"), truth, local=local)
        set_correlations(networks[FITTED], correlation["local"])
    return {
        "modes": {mode: _mode(each, truth, crops) for mode, each in networks.items()},
        "correlation": correlation,
        "truth": truth_error(truth),
    }


def truth_error(truth: Truth) -> Numbers:
    """One half of the weight sets against the other: twice the error of all of them, in the mean."""
    found = {}
    for name in OUTPUTS:
        first, second = truth.halves(name)
        found[name] = asdict(agreement(Gaussian(first.mean, first.variance), second))
    halves = [half.mean for half in truth.halves("probabilities")]
    return {**found, "argmax_agreement": argmax_agreement(*halves)}


def _mode(network: nn.Module, truth: Truth, crops: Crops) -> Numbers:
    analytic = propagate(network, crops.images)
    probabilities = truth.of("probabilities").mean
    return {
        **{name: asdict(agreement(analytic.output(name), truth.of(name))) for name in OUTPUTS},
        **_scaled(analytic, truth),
        "argmax_agreement": argmax_agreement(analytic.classes.mean, probabilities),
        "within_bound": within_bound(analytic.classes),
        "conditions": _by_condition(analytic, truth, crops.conditions),
        "layers": _layers(network, truth) if truth.pairs else {},
    }


def _scaled(analytic: Analytic, truth: Truth) -> Numbers:
    """The scale of the first half of the images, and what it makes of the others: None if there are none."""
    count = len(truth.images)
    middle = (count + 1) // 2
    scale = scale_of(analytic, truth, range(middle))
    others = range(middle, count)
    after = {}
    for name in ("logits", "contrasts"):
        ratios = scale * variance_ratios(analytic.output(name), truth.of(name), others)
        after[name] = asdict(summarized(ratios)) if ratios.size else None
    return {"variance_scale": scale, "after_scale": after}


def _by_condition(analytic: Analytic, truth: Truth, conditions: tuple[str, ...]) -> Numbers:
    found, all_of = {}, analytic.output("logits")
    sampled = truth.of("logits")
    for condition in dict.fromkeys(conditions):
        places = [index for index, name in enumerate(conditions) if name == condition]
        true = Gaussian(sampled.mean[places], sampled.variance[places])
        found[condition] = asdict(compare(Gaussian(*(x[places] for x in all_of)), true))
    return found


def _layers(network: nn.Module, truth: Truth) -> Numbers:
    sampled = sampled_layers(truth)
    kinds: Mapping[str, Mapping[str, Gaussian]] = {
        "propagated": propagated_layers(network, truth.images[: truth.layer_images]),
        "local": local_layers(network, truth),
    }
    return {
        name: {kind: asdict(compare(found[name], sampled[name])) for kind, found in kinds.items()}
        for name in truth.pairs
    }
