"""The tables of the report: masks with their tests, voxels, case scores, and skipped conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trustseg_training import formatting
from trustseg_training.formatting import count
from trustseg_training.metrics.case_ranking import FAILURE_DICE
from trustseg_training.metrics.statistics import holm
from trustseg_training.robustness.tables import CALIBRATION_MEASURES, Tables, selected

from .named_conditions import NamedCondition
from .readings import ERROR, TITLES, Summary, mask_reading, score_title, scores_of, structures_of

#: Measures of detection, and of ranking cases, that the tables show.
_DETECTION = ("auroc", "average_precision", "overlap")
_RANKING = ("failure_auroc", "aurc", "excess_aurc", "spearman")

HEADS = tuple(TITLES[name] for name in (*CALIBRATION_MEASURES, *_DETECTION))

VoxelCells = list[tuple[str, str]]
"""(value, interval) of each measure."""


@dataclass(frozen=True)
class Comparison:
    """A model compared with the first one: one structure under one condition.

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
    """All comparisons of the summary, corrected together as one family of tests."""
    found, p_values = [], []
    for model, conditions in summary["conditions"].items():
        for condition, rows in conditions.items():
            for structure, measures in rows["structures"].items():
                if (difference := measures.get("difference")) is not None:
                    mean = difference["mean"]
                    values = (mean["value"], mean["low"], mean["high"])
                    found.append(Comparison(model, condition, structure, *values, None))
                    p_values.append(difference["p_value"])
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
                        _mask_cell(
                            summary, model, condition.key, name, compared.get((model, condition.key, name))
                        )
                        for name in names
                    ),
                    _failed(tables, model, condition.key),
                )
                for model in summary["conditions"]
            ],
        )
        for condition in conditions
    ]


def _mask_cell(
    summary: Summary, model: str, condition: str, structure: str, compared: Comparison | None
) -> Cell:
    dice = mask_reading(summary, model, condition, structure, "dice")
    hd95 = mask_reading(summary, model, condition, structure, "hd95_mm")
    return Cell(
        dice=formatting.share(dice.value),
        dice_interval=formatting.interval(vars(dice)),
        difference=formatting.difference(compared.mean if compared else None),
        difference_interval=formatting.interval(vars(compared), formatting.difference) if compared else "",
        p=formatting.p_value(compared.corrected if compared else None),
        hd95=formatting.length(hd95.value),
        fails=dice.value is not None and dice.value < FAILURE_DICE,
    )


def _failed(tables: Tables, model: str, condition: str) -> str:
    dice = selected(tables.cases, model, condition)["dice"]
    return f"{int((dice < FAILURE_DICE).sum())} of {len(dice)}" if len(dice) else formatting.MISSING


def voxel_table(
    summary: Summary, conditions: Sequence[NamedCondition]
) -> list[tuple[NamedCondition, list[tuple[str, VoxelCells]]]]:
    """(value, interval) of every measure, for each model under each condition."""
    return [
        (
            each,
            [(model, _voxel_cells(rows.get(each.key, {}))) for model, rows in summary["conditions"].items()],
        )
        for each in conditions
    ]


def _voxel_cells(found: Mapping[str, Any]) -> VoxelCells:
    calibration = found.get("calibration", {})
    detection = found.get("detection", {}).get(ERROR, {})
    means = [calibration.get(name, {}) for name in CALIBRATION_MEASURES]
    means += [detection.get(name, {}) for name in _DETECTION]
    return [(formatting.share(mean.get("value")), formatting.interval(mean)) for mean in means]


@dataclass(frozen=True)
class PoolRow:
    """One score of one model, as text; ``cells`` are (value, interval)."""

    model: str
    score: str
    cells: tuple[tuple[str, str], ...]


def pool_table(summary: Summary) -> list[PoolRow]:
    """A row for each score and model that has it, ordered by score."""
    return [
        PoolRow(model, score_title(score), _pool_cells(pool[score]))
        for score in scores_of(summary)
        for model, pool in summary["pool"].items()
        if score in pool
    ]


def _pool_cells(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    grown = found["growth"]
    growth = f"{grown['growing']} of {grown['chains']}" if grown["chains"] else formatting.MISSING
    part = formatting.percent(grown["growing"] / grown["chains"]) if grown["chains"] else ""
    return (
        *((formatting.share(found[name]["value"]), formatting.interval(found[name])) for name in _RANKING),
        (growth, part),
        _brightness(found["brightness"]),
    )


def _brightness(found: Mapping[str, float | None]) -> tuple[str, str]:
    """The largest change under a gain, and the gain."""
    known = {key: value for key, value in found.items() if value is not None}
    if not known:
        return formatting.MISSING, ""
    key = max(known, key=lambda one: abs(known[one]))
    return formatting.change(known[key]), key


def skipped_lines(tables: Tables, conditions: Sequence[NamedCondition]) -> list[str]:
    """A line for each condition that was not measured on every image, with the first reason."""
    found: dict[str, dict[str, str]] = {}
    for each in tables.skipped:
        found.setdefault(each["condition"], {}).setdefault(each["case"], each["reason"])
    return [
        f"{each.title}: not measured on {count(len(found[each.key]), 'image')}"
        f" ({next(iter(found[each.key]))}: {next(iter(found[each.key].values()))})"
        for each in conditions
        if each.key in found
    ]
