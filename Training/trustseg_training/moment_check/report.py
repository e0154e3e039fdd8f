"""The numbers of a check as JSON, CSV, Markdown and a picture, beside their targets."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from trustseg_training.formatting import markdown_table, ratio_band
from TrustSegLib.contract import MOMENTS_FILE
from TrustSegLib.errors import output_error

from .analytic import in_mode, propagate
from .crops import Crops
from .sampling import OUTPUTS, Truth

_COLUMNS = ("mode", "what", "kind", "spearman", "median", "low", "high", "mean_error", "bias")


def write_tables(numbers: Mapping[str, Any], folder: Path) -> None:
    """Write ``moments.json``, ``moments.csv`` and ``moments.md``.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    try:
        text = json.dumps(_without_nan(numbers), indent=1, allow_nan=False)
        (folder / MOMENTS_FILE).write_text(text + "\n", encoding="utf-8")
        (folder / "moments.md").write_text(markdown(numbers), encoding="utf-8")
        with (folder / "moments.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(_COLUMNS)
            writer.writerows(_rows(numbers))
    except OSError as error:
        raise output_error(folder, error, "check the folder, then repeat it") from error


def markdown(numbers: Mapping[str, Any]) -> str:
    """A row per mode and the target above; then the layers, and r where it was fitted."""
    rows = [["**target**", *(target.wanted for target in TARGETS), ""]]
    for mode, found in numbers["modes"].items():
        cells = [target.shown(found) + (" ✓" if target.met(found) else "") for target in TARGETS]
        rows.append([mode, *cells, f"{found['variance_scale']:.3f}"])
    table = markdown_table(["", *(target.name for target in TARGETS), "variance scale"], rows)
    return "\n".join(
        [_sentence(numbers), "", table, "", *_truth_lines(numbers), "", *_layer_lines(numbers), ""]
    )


def _sentence(numbers: Mapping[str, Any]) -> str:
    conditions = ", ".join(dict.fromkeys(numbers["conditions"]))
    return (
        f"{numbers['model']}: {numbers['samples']} weight sets on {len(numbers['cases'])} crops of "
        f"{'x'.join(map(str, numbers['crop']))} voxels ({conditions}); layers on the first "
        f"{numbers['layer_images']}."
    )


def _truth_lines(numbers: Mapping[str, Any]) -> list[str]:
    logits = numbers["truth"]["logits"]
    ratio = logits["ratio"]
    return [
        "One half of the weight sets against the other (twice the truth's own error): Spearman "
        f"{logits['spearman']:.3f}, ratio [{ratio['low']:.2f}, {ratio['high']:.2f}], mean error "
        f"{logits['mean_error']:.3f} sd, argmax agreement {numbers['truth']['argmax_agreement']:.4f}."
    ]


def _layer_lines(numbers: Mapping[str, Any]) -> list[str]:
    """Median ratio given the sampled input / propagated, for each layer and mode."""
    modes = numbers["modes"]
    names = list(next(iter(modes.values()))["layers"])
    if not names:
        return []
    rows = []
    for name in names:
        cells = [
            " / ".join(f"{found['layers'][name][kind]['ratio']['median']:.3f}" for kind in _KINDS)
            for found in modes.values()
        ]
        rows.append([name, *cells, _correlations(numbers, name)])
    return [
        "Analytic / sampled variance of each layer, median: given the sampled moments of its input / "
        "propagated through all layers.",
        "",
        markdown_table(["layer", *modes, "r fitted, local / propagated"], rows),
    ]


_KINDS = ("local", "propagated")


def _correlations(numbers: Mapping[str, Any], name: str) -> str:
    found = numbers["correlation"]
    if name not in found.get("local", {}) or name not in found["propagated"]:
        return ""
    return " / ".join(f"{found[kind][name]:.2f}" for kind in _KINDS)


def _rows(numbers: Mapping[str, Any]) -> Iterator[list[Any]]:
    for mode, found in numbers["modes"].items():
        for name in OUTPUTS:
            yield [mode, name, "output", *_values(found[name])]
        for condition, values in found["conditions"].items():
            yield [mode, "logits", condition, *_values(values)]
        for name, layer in found["layers"].items():
            for kind in _KINDS:
                yield [mode, name, kind, *_values(layer[kind])]


def _values(found: Mapping[str, Any]) -> list[float]:
    ratio = found["ratio"]
    shape = [ratio["median"], ratio["low"], ratio["high"]]
    return [found["spearman"], *shape, found["mean_error"], found["bias"]]


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


#: A layer is right if, given the sampled moments of its input, its median variance is this close.
LAYER_TOLERANCE = 0.01


@dataclass(frozen=True)
class Target:
    """One requirement.

    Attributes
    ----------
    name, wanted : str
        For tables.
    shown : function
        From a mode's numbers to text.
    met : function
        From a mode's numbers to whether it holds.
    """

    name: str
    wanted: str
    shown: Callable[[Mapping[str, Any]], str]
    met: Callable[[Mapping[str, Any]], bool]


def layers_within(numbers: Mapping[str, Any]) -> tuple[int, int]:
    """How many layers are right by themselves, and of how many."""
    medians = [layer["local"]["ratio"]["median"] for layer in numbers["layers"].values()]
    return sum(abs(median - 1) <= LAYER_TOLERANCE for median in medians), len(medians)


def _in_band(ratio: Mapping[str, float] | None) -> bool:
    if ratio is None:
        return False
    return 0.8 <= ratio["median"] <= 1.25 and ratio["low"] >= 0.6 and ratio["high"] <= 1.6


TARGETS = (
    Target(
        "Spearman of logit variance",
        "≥ .95",
        lambda n: f"{n['logits']['spearman']:.3f}",
        lambda n: n["logits"]["spearman"] >= 0.95,
    ),
    Target(
        "analytic / true variance, before",
        "",
        lambda n: ratio_band(n["logits"]["ratio"]),
        lambda n: _in_band(n["logits"]["ratio"]),
    ),
    Target(
        "after one scalar, other images",
        ".8-1.25 [≥ .6, ≤ 1.6]",
        lambda n: ratio_band(n["after_scale"]["logits"]),
        lambda n: _in_band(n["after_scale"]["logits"]),
    ),
    Target(
        "mean-logit error, sd",
        "≤ .10",
        lambda n: f"{n['logits']['mean_error']:.3f}",
        lambda n: n["logits"]["mean_error"] <= 0.10,
    ),
    Target(
        "argmax agreement",
        "≥ .995",
        lambda n: f"{n['argmax_agreement']:.4f}",
        lambda n: n["argmax_agreement"] >= 0.995,
    ),
    Target(
        "v ≤ p(1-p)",
        "100 %",
        lambda n: f"{100 * n['within_bound']:.2f} %",
        lambda n: n["within_bound"] == 1,
    ),
    Target(
        "layers within 1 %, given their sampled input",
        "all",
        lambda n: "{} of {}".format(*layers_within(n)),
        lambda n: len(set(layers_within(n))) == 1,
    ),
)


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
        raise output_error(path, error, "check the folder, then repeat it") from error


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
