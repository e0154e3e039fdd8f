"""What a robustness test says of one model, small enough for a bundle's ``metrics.json`` and its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from TrustSegLib.errors import OptionError

SUMMARY = "summary.json"

_POOLED = ("failure_auroc", "aurc", "spearman")
_MASKS = ("dice", "hd95_mm")


def read_summary(folder: Path) -> dict[str, Any]:
    """Content of the ``summary.json`` of a finished verification.

    Raises
    ------
    OptionError
        There is none, or it is damaged.
    """
    path = folder / SUMMARY
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: no summary of a verification ({error}); verify, then go on") from error
    if not isinstance(found, dict) or not {"conditions", "pool", "models"} <= set(found):
        raise OptionError(f"{path}: not the summary of a verification; name the folder that verify wrote")
    return found


def robustness_record(folder: Path, model: str, sha256: str | None = None) -> dict[str, Any]:
    """The verdict on one model as plain numbers.

    Parameters
    ----------
    folder : Path
        That ``trustseg-train verify`` wrote.
    model : str
        Its name there.
    sha256 : str, optional
        Of the checkpoint that the bundle has; it is to be the one that was verified.

    Returns
    -------
    dict
        ``suite``, ``title``, ``data``, ``split``, ``seed``, ``command``, ``patients`` and ``network`` (how it
        was passed through); ``conditions[condition]`` with ``structures`` (Dice and HD95 with intervals) and
        ``ece``; ``pool[score]`` with failure AUROC, AURC and Spearman's correlation.

    Raises
    ------
    OptionError
        The folder holds no verification of this model, or one of other weights.
    """
    summary = read_summary(folder)
    if model not in summary["models"]:
        known = ", ".join(summary["models"])
        raise OptionError(f"{folder}: {model} was not verified there, but {known}; name one of these")
    if sha256 is not None and summary["models"][model] != sha256:
        raise OptionError(f"{folder}: {model} was verified with other weights; verify it again")
    header = {key: summary.get(key) for key in ("suite", "title", "data", "split", "seed", "command")}
    conditions = summary["conditions"][model]
    return {
        **header,
        "patients": summary.get("cases"),
        "network": summary.get("networks", {}).get(model),
        "conditions": {key: _condition(found) for key, found in conditions.items() if found["structures"]},
        "pool": {
            score: {name: found[name] for name in _POOLED} for score, found in summary["pool"][model].items()
        },
    }


def robustness_markdown(verdict: Mapping[str, Any]) -> str:
    """The verdict as a section of a model card."""
    conditions = verdict["conditions"]
    structures = list(next(iter(conditions.values()))["structures"])
    heads = [
        "Condition",
        *(f"{name}, {what}" for name in structures for what in ("Dice", "HD95 (mm)")),
        "ECE",
    ]
    rows = [[key, *_cells(found, structures)] for key, found in conditions.items()]
    lines = [
        "## Verification",
        "",
        f"{verdict['title']}: {verdict['patients']} images of the set `{verdict['split']}` of "
        f"{verdict['data']}. Means over patients with 95 % intervals. {_temperature(verdict)}",
        "",
        *(_row(cells) for cells in (heads, ["---"] * len(heads), *rows)),
        "",
        *_pooled(verdict["pool"]),
        "",
        f"Made by `{verdict['command']}`.",
    ]
    return "\n".join(lines) + "\n"


def _temperature(verdict: Mapping[str, Any]) -> str:
    """What of the calibration is in the figures, so that nobody takes them for the calibrated model's."""
    temperature = verdict["network"].get("options", {}).get("temperature")
    if temperature is None:
        return "ECE and scores are those of the network as trained, before any temperature or calibration."
    return f"ECE and scores are those of its probabilities with the temperature {temperature:.2f}."


def _condition(found: Mapping[str, Any]) -> dict[str, Any]:
    structures = {
        name: {measure: measures[measure] for measure in _MASKS}
        for name, measures in found["structures"].items()
    }
    return {"structures": structures, "ece": found["calibration"]["ece"]}


def _cells(found: Mapping[str, Any], structures: Sequence[str]) -> list[str]:
    cells = []
    for name in structures:
        measures = found["structures"].get(name, {})
        cells += [_with_interval(measures.get("dice"), 3), _with_interval(measures.get("hd95_mm"), 2)]
    return [*cells, _with_interval(found["ece"], 3)]


def _pooled(pool: Mapping[str, Any]) -> list[str]:
    if not pool:
        return ["No score ranks the cases."]
    score = max(pool, key=lambda name: pool[name]["failure_auroc"]["value"] or 0.0)
    found = {name: _with_interval(pool[score][name], 3) for name in _POOLED}
    return [
        f"Over all images under all conditions, the score that finds failures (Dice below .8) best is "
        f"`{score}`: AUROC {found['failure_auroc']}, AURC {found['aurc']}, Spearman's correlation with the "
        f"Dice {found['spearman']}."
    ]


def _with_interval(found: Mapping[str, Any] | None, digits: int) -> str:
    if found is None or found["value"] is None:
        return "\N{EN DASH}"
    low, high = found.get("low"), found.get("high")
    value = f"{found['value']:.{digits}f}"
    return value if low is None or high is None else f"{value} ({low:.{digits}f} to {high:.{digits}f})"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
