"""The numbers of a check as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from TrustSegLib.errors import OutputError

from .targets import TARGETS
from .truth import OUTPUTS

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
        (folder / "moments.json").write_text(text + "\n", encoding="utf-8")
        (folder / "moments.md").write_text(markdown(numbers), encoding="utf-8")
        with (folder / "moments.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(_COLUMNS)
            writer.writerows(_rows(numbers))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); make room, then go on") from error


def markdown(numbers: Mapping[str, Any]) -> str:
    """A row per mode and the target above; then the layers, and r where it was fitted."""
    lines = [_sentence(numbers), "", _row(["", *(target.name for target in TARGETS), "variance scale"])]
    lines += [_row(["---"] * (len(TARGETS) + 2))]
    lines += [_row(["**target**", *(target.wanted for target in TARGETS), ""])]
    for mode, found in numbers["modes"].items():
        cells = [target.shown(found) + (" ✓" if target.met(found) else "") for target in TARGETS]
        lines.append(_row([mode, *cells, f"{found['variance_scale']:.3f}"]))
    return "\n".join([*lines, "", *_truth_lines(numbers), "", *_layer_lines(numbers), ""])


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
    lines = [
        "Analytic / sampled variance of each layer, median: given the sampled moments of its input / "
        "propagated through all layers.",
        "",
        _row(["layer", *modes, "r fitted, local / propagated"]),
        _row(["---"] * (len(modes) + 2)),
    ]
    for name in names:
        cells = [
            " / ".join(f"{found['layers'][name][kind]['ratio']['median']:.3f}" for kind in _KINDS)
            for found in modes.values()
        ]
        lines.append(_row([name, *cells, _correlations(numbers, name)]))
    return lines


_KINDS = ("local", "propagated")


def _correlations(numbers: Mapping[str, Any], name: str) -> str:
    found = numbers["correlation"]
    if name not in found.get("local", {}) or name not in found["propagated"]:
        return ""
    return " / ".join(f"{found[kind][name]:.2f}" for kind in _KINDS)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
