"""Robustness record of one model, small enough for a bundle's ``metrics.json`` and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trustseg_training.formatting import decimal, length, markdown_table, share, with_interval
from trustseg_training.metrics.case_ranking import FAILURE_DICE
from TrustSegLib.errors import OptionError

from .familiarity import familiarity
from .summary import RANKING_MEASURES, read_summary

_MASKS = ("dice", "hd95_mm")


def robustness_record(folder: Path, model: str, sha256: str | None = None) -> dict[str, Any]:
    """The results of one model as plain numbers.

    Parameters
    ----------
    folder : Path
        Output of ``trustseg-train verify``.
    model : str
        Its name there.
    sha256 : str, optional
        Of the bundle's checkpoint, which must be the one that was verified.

    Returns
    -------
    dict
        ``suite``, ``title``, ``data``, ``split``, ``seed``, ``command``, ``patients``, ``images`` and
        ``network``, how its weights were used; ``conditions[condition]`` with ``structures`` (Dice and HD95
        with intervals) and ``ece``; ``familiarity``, if the summary has it; ``pool[score]`` with failure
        AUROC, AURC and Spearman's correlation.

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
    known = familiarity(summary, model)
    return {
        **header,
        "familiarity": None if known is None else asdict(known),
        "patients": summary.get("patients", summary.get("cases")),
        "images": summary.get("cases"),
        "network": summary.get("networks", {}).get(model),
        "conditions": {key: _condition(found) for key, found in conditions.items() if found["structures"]},
        "pool": {
            score: {name: found[name] for name in RANKING_MEASURES}
            for score, found in summary["pool"][model].items()
        },
    }


def robustness_markdown(record: Mapping[str, Any]) -> str:
    """The record as a section of a model card."""
    conditions = record["conditions"]
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
        f"{record['title']}: {record.get('images', record['patients'])} images of {record['patients']} "
        f"patients of the set `{record['split']}` of {record['data']}. Means over patients with 95 % "
        f"intervals. {_temperature(record)}",
        "",
        markdown_table(heads, rows),
        "",
        *_familiar(record.get("familiarity")),
        _best_score(record["pool"]),
        "",
        f"Made by `{record['command']}`.",
    ]
    return "\n".join(lines) + "\n"


def _temperature(record: Mapping[str, Any]) -> str:
    """Which calibration the numbers include, so that nobody takes them for those of the calibrated model."""
    temperature = record["network"].get("options", {}).get("temperature")
    if temperature is None:
        return "ECE and scores are those of the network as trained, before any temperature or calibration."
    return f"ECE and scores are those of its probabilities with the temperature {temperature:.2f}."


def _familiar(found: Mapping[str, Any] | None) -> list[str]:
    """The largest ECE under what the model has met, and under what it has not."""
    if found is None or not any(group["conditions"] for group in found["fit"]):
        return []
    seen, groups = found["seen"], [*found["fit"], found["neither"]]
    fit = ", ".join(seen["fit"]) or "no image"
    touched = "not known" if seen["training"] is None else ", ".join(seen["training"]) or "none"
    titles = ("of families that the fit saw", "of families unseen by the fit", "unseen by fit and training")
    worst = [
        f"{decimal(group['ece'])} {title} ({group['worst']})"
        for title, group in zip(titles, groups, strict=True)
        if group is not None and group["ece"] is not None
    ]
    return [
        f"Temperature, variance scale and class bias were fitted on: {fit}. Families in the augmentation of "
        f"the training: {touched}. Largest ECE under noise and artifacts: {'; '.join(worst)}.",
        "",
    ]


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
        cells += [
            with_interval(measures.get("dice"), decimal),
            with_interval(measures.get("hd95_mm"), length),
        ]
    return [*cells, with_interval(found["ece"], decimal)]


def _best_score(pool: Mapping[str, Any]) -> str:
    if not pool:
        return "No score ranks the cases."
    score = max(pool, key=lambda name: pool[name]["failure_auroc"]["value"] or 0.0)
    auroc, aurc, spearman = (with_interval(pool[score][name], decimal) for name in RANKING_MEASURES)
    return (
        "Over all images under all conditions, the score that detects failures (Dice below "
        f"{share(FAILURE_DICE).rstrip('0')}) best is `{score}`: AUROC {auroc}, AURC {aurc}, "
        f"Spearman's correlation with the Dice {spearman}."
    )
