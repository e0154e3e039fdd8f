"""The table of models and conditions, and every test in it, corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trustseg_training.measures.case_ranking import FAILURE_DICE
from trustseg_training.measures.statistics import holm
from trustseg_training.verification.tables import Tables

from . import numbers
from .named_conditions import NamedCondition
from .readings import Summary, mask_reading, selected, structures_of


@dataclass(frozen=True)
class Comparison:
    """A model against the first one: one structure under one condition.

    Attributes
    ----------
    model, condition, structure : str
        What is compared.
    mean, low, high : float or None
        Difference in Dice, patient by patient, with its interval.
    corrected : float or None
        P-value after Holm's correction for all tests of the report.
    """

    model: str
    condition: str
    structure: str
    mean: float
    low: float | None
    high: float | None
    corrected: float | None


@dataclass(frozen=True)
class Cell:
    """One structure in a row, as text."""

    dice: str
    dice_interval: str
    difference: str
    difference_interval: str
    p: str
    hd95: str
    fails: bool


@dataclass(frozen=True)
class Row:
    """One model under one condition."""

    model: str
    cells: tuple[Cell, ...]
    failed: str


def comparisons_of(summary: Summary) -> list[Comparison]:
    """Every comparison that the summary has; all of them are one family of tests."""
    found, p_values = [], []
    for model, conditions in summary["conditions"].items():
        for condition, rows in conditions.items():
            for structure, measures in rows["structures"].items():
                if (told := measures.get("difference")) is not None:
                    mean = told["mean"]
                    values = (mean["value"], mean["low"], mean["high"])
                    found.append(Comparison(model, condition, structure, *values, None))
                    p_values.append(told["p_value"])
    return [replace(each, corrected=p) for each, p in zip(found, holm(p_values), strict=True)]


def comparison_table(
    summary: Summary,
    tables: Tables,
    conditions: Sequence[NamedCondition],
    comparisons: Sequence[Comparison],
) -> list[tuple[NamedCondition, list[Row]]]:
    """Rows of every model under each condition."""
    compared = {(each.model, each.condition, each.structure): each for each in comparisons}
    names = structures_of(summary)
    return [
        (
            condition,
            [
                Row(
                    model,
                    tuple(
                        _cell(summary, model, condition.key, name, compared.get((model, condition.key, name)))
                        for name in names
                    ),
                    _failed(tables, model, condition.key),
                )
                for model in summary["conditions"]
            ],
        )
        for condition in conditions
    ]


def _cell(summary: Summary, model: str, condition: str, structure: str, compared: Comparison | None) -> Cell:
    dice = mask_reading(summary, model, condition, structure, "dice")
    hd95 = mask_reading(summary, model, condition, structure, "hd95_mm")
    return Cell(
        dice=numbers.share(dice.value),
        dice_interval=numbers.interval(vars(dice)),
        difference=numbers.difference(compared.mean if compared else None),
        difference_interval=numbers.interval(vars(compared), numbers.difference) if compared else "",
        p=numbers.p_value(compared.corrected if compared else None),
        hd95=numbers.length(hd95.value),
        fails=dice.value is not None and dice.value < FAILURE_DICE,
    )


def _failed(tables: Tables, model: str, condition: str) -> str:
    dice = selected(tables.cases, model, condition)["dice"]
    return f"{int((dice < FAILURE_DICE).sum())} of {len(dice)}" if len(dice) else numbers.MISSING
