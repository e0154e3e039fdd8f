"""A picture of a check: output variances against the sampled ones, and the ratio layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from TrustSegLib.errors import OutputError

from .analytic import in_mode, propagate
from .crops import Crops
from .truth import Truth

#: Okabe and Ito's palette.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_POINTS = 3000


def draw_check(
    network: nn.Module,
    truth: Truth,
    crops: Crops,
    modes: tuple[str, ...],
    numbers: Mapping[str, Any],
    path: Path,
) -> None:
    """Write a PNG: left the logit standard deviations, right the median ratios of the layers.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    scatter, layers = figure.subplots(1, 2)
    _scatter(scatter, network, truth, crops, modes)
    _layers(layers, numbers)
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); make room, then go on") from error


def _scatter(axes: Axes, network: nn.Module, truth: Truth, crops: Crops, modes: tuple[str, ...]) -> None:
    true = truth.of("logits").variance.flatten().cpu().sqrt().numpy()
    chosen = np.random.default_rng(0).permutation(len(true))[:_POINTS]
    for mode, color in zip(modes, _COLORS, strict=False):
        variance = propagate(in_mode(network, mode), crops.images).output("logits").variance
        found = variance.flatten().cpu().sqrt().numpy()
        axes.plot(true[chosen], found[chosen], ".", color=color, alpha=0.3, markersize=3, label=mode)
    ends = true[chosen].min(), true[chosen].max()
    axes.plot(ends, ends, color="black", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="logit sd over sampled weights", ylabel="analytic logit sd")
    axes.legend(markerscale=4)


def _layers(axes: Axes, numbers: Mapping[str, Any]) -> None:
    for (mode, found), color in zip(numbers["modes"].items(), _COLORS, strict=False):
        names = list(found["layers"])
        for kind, style in (("propagated", "-o"), ("local", ":")):
            medians = [found["layers"][name][kind]["ratio"]["median"] for name in names]
            axes.plot(range(len(names)), medians, style, color=color, markersize=3, label=f"{mode}, {kind}")
        axes.set_xticks(range(len(names)), [name.removeprefix("body.") for name in names], rotation=90)
    axes.axhline(1, color="black", linewidth=1)
    axes.set(yscale="log", ylabel="analytic / sampled variance, median", title="layers")
    axes.legend(fontsize="small")
