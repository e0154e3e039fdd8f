"""The table of what the pool of all cases under all conditions says of every score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import numbers
from .readings import Summary, scores_of

SCORE_TITLES = {
    "mean_error_probability": "mean error probability",
    "mean_predictive_variance": "mean predictive variance",
    "mean_entropy": "mean entropy",
    "expected_dice": "1 \N{MINUS SIGN} expected Dice",
    "pairwise_dice": "1 \N{MINUS SIGN} pairwise Dice of the members",
}


@dataclass(frozen=True)
class PoolRow:
    """One score of one model, as text; ``cells`` are (value, interval)."""

    model: str
    score: str
    cells: tuple[tuple[str, str], ...]


def score_title(score: str) -> str:
    """What a score is called."""
    return SCORE_TITLES.get(score, score.replace("_", " "))


def pool_table(summary: Summary) -> list[PoolRow]:
    """A row for each score and model that has it, score by score."""
    return [
        PoolRow(model, score_title(score), _cells(pool[score]))
        for score in scores_of(summary)
        for model, pool in summary["pool"].items()
        if score in pool
    ]


def _cells(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    measures = ("failure_auroc", "aurc", "excess_aurc", "spearman")
    grown = found["growth"]
    growth = f"{grown['growing']} of {grown['chains']}" if grown["chains"] else numbers.MISSING
    part = numbers.percent(grown["growing"] / grown["chains"]) if grown["chains"] else ""
    return (
        *((numbers.share(found[name]["value"]), numbers.interval(found[name])) for name in measures),
        (growth, part),
        _brightness(found["brightness"]),
    )


def _brightness(found: Mapping[str, float | None]) -> tuple[str, str]:
    """The largest change under a gain, and under which."""
    known = {key: value for key, value in found.items() if value is not None}
    if not known:
        return numbers.MISSING, ""
    key = max(known, key=lambda one: abs(known[one]))
    return numbers.change(known[key]), key
