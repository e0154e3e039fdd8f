"""A table of what models do under corruptions that they have met in fit or training, and under others."""

from __future__ import annotations

from collections.abc import Sequence

from trustseg_training import formatting
from trustseg_training.formatting import MISSING
from trustseg_training.robustness.familiarity import Familiarity, Group, familiarity

from .readings import Summary

CAPTION = (
    "Noise and artifacts that the model has met, and those that it has not: largest ECE near the structures, "
    "and mean Dice over conditions and structures. Fit: of temperature, variance scale and class bias. "
    "Training: the families that its augmentation contains, at any strength. Attacks are left out."
)

HEADS = (
    "model",
    "fit saw",
    "training touched",
    "ECE, clean",
    "worst ECE, seen by the fit",
    "worst ECE, unseen by the fit",
    "worst ECE, unseen by both",
    "Dice, touched by the training",
    "Dice, untouched",
)


def familiarity_rows(summary: Summary, models: Sequence[str] | None = None) -> list[list[str]]:
    """A row for each model of which it is known what it has met; empty without corruptions.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    models : sequence of str, optional
        By default all.
    """
    found = {model: familiarity(summary, model) for model in models or summary["conditions"]}
    return [
        _row(model, each)
        for model, each in found.items()
        if each is not None and any(group.conditions for group in each.fit)
    ]


def _row(model: str, found: Familiarity) -> list[str]:
    touched, untouched = found.training or (None, None)
    return [
        model,
        _listed(found.seen.fit),
        MISSING if found.seen.training is None else _listed(found.seen.training),
        formatting.share(found.clean.ece),
        *map(_worst, (*found.fit, found.neither)),
        *(formatting.share(group.dice if group else None) for group in (touched, untouched)),
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _worst(group: Group | None) -> str:
    if group is None or group.ece is None:
        return MISSING
    return f"{formatting.share(group.ece)} ({group.worst})"
