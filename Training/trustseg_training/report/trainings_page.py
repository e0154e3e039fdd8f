"""The report's section on several trainings: sentences, tables and plots; none without groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from trustseg_training import formatting
from trustseg_training.metrics.case_ranking import FAILURE_DICE
from trustseg_training.robustness.summary import RANKING_MEASURES

from .condition_plots import MASKS, Measure, curve_figure
from .drawing import Picture, styles_of, svg
from .named_conditions import GROUPS, SNR, NamedCondition, families
from .readings import ERROR, POOL, TITLES, Reading, Summary, score_title, scores_of, structures_of
from .trainings import (
    GroupValue,
    Pair,
    columns_of,
    difference,
    drawn,
    groups_of,
    head,
    interval_caution,
    pairs_of,
    reading,
    span,
    training_sentences,
    why_no_differences,
)

#: Measures of the voxels near the structures, and what they are of; the first two are also compared.
_VOXELS = (("ece", ""), ("auroc", ERROR), ("average_precision", ERROR))
_COMPARED = _VOXELS[:2]
_DICE: Measure = MASKS[0]


@dataclass(frozen=True)
class SpanCell:
    """A value and the text below it; ``fails`` marks a mean Dice that counts as failure.

    ``decided`` marks a difference whose interval excludes 0.
    """

    value: str
    below: str = ""
    fails: bool = False
    decided: bool = False


@dataclass(frozen=True)
class SpanRow:
    """Cells of one group, model or condition."""

    name: str
    cells: tuple[SpanCell, ...]


@dataclass(frozen=True)
class Trainings:
    """Content of the section.

    Attributes
    ----------
    sentences : tuple of str
        For a physician.
    caution : str
        How many trainings there are, and what that means for the intervals.
    rows : tuple of (NamedCondition, tuple of SpanRow)
        By condition: for each structure Dice and HD95, then ECE, AUROC and AUPR.
    pool_heads, compared_heads : tuple of str
        Of the columns of ``pool`` and of ``compared`` after Dice.
    pool : tuple of (str, tuple of SpanRow)
        By score.
    compared : tuple of (str, str, tuple of SpanRow)
        Title of a pair, what was drawn for its intervals, and a row for each condition.
    why_no_differences : str
        Shown if ``compared`` is empty.
    pictures : tuple of Picture
        Dice against strength.
    """

    sentences: tuple[str, ...]
    caution: str
    rows: tuple[tuple[NamedCondition, tuple[SpanRow, ...]], ...]
    pool_heads: tuple[str, ...]
    pool: tuple[tuple[str, tuple[SpanRow, ...]], ...]
    compared_heads: tuple[str, ...]
    compared: tuple[tuple[str, str, tuple[SpanRow, ...]], ...]
    why_no_differences: str
    pictures: tuple[Picture, ...]


def trainings_section(
    summary: Summary, conditions: Sequence[NamedCondition], first_number: int
) -> Trainings | None:
    """The section on groups of networks; None if there are none.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    conditions : sequence of NamedCondition
        All of the suite.
    first_number : int
        Number of its first picture in the document.
    """
    if not groups_of(summary):
        return None
    columns, structures = columns_of(summary), structures_of(summary)
    pairs = pairs_of(summary, columns)
    return Trainings(
        sentences=tuple(training_sentences(summary, conditions, columns, pairs)),
        caution=interval_caution(summary, columns),
        rows=tuple((each, _means(summary, columns, structures, each.key)) for each in conditions),
        pool_heads=tuple(TITLES[measure] for measure in RANKING_MEASURES),
        pool=tuple(_ranked(summary, columns)),
        compared_heads=tuple(f"Δ {TITLES[measure]}" for measure, _ in _COMPARED),
        compared=tuple(_compared(pair, structures, conditions) for pair in pairs),
        why_no_differences=why_no_differences(summary, columns),
        pictures=tuple(_pictures(summary, columns, conditions, first_number)),
    )


def _means(
    summary: Summary, columns: Sequence[str], structures: Sequence[str], condition: str
) -> tuple[SpanRow, ...]:
    def cells(name: str) -> Iterator[SpanCell]:
        for structure in structures:
            dice = reading(summary, name, "dice", condition, structure)
            yield _spanned(dice, fails=dice is not None and dice.value < FAILURE_DICE)
            yield _spanned(reading(summary, name, "hd95_mm", condition, structure), formatting.length)
        for measure, of in _VOXELS:
            yield _spanned(reading(summary, name, measure, condition, of))

    return tuple(SpanRow(head(summary, name), tuple(cells(name))) for name in columns)


def _ranked(summary: Summary, columns: Sequence[str]) -> Iterator[tuple[str, tuple[SpanRow, ...]]]:
    for score in scores_of(summary):
        found = {
            name: [reading(summary, name, measure, POOL, score) for measure in RANKING_MEASURES]
            for name in columns
        }
        rows = tuple(
            SpanRow(head(summary, name), tuple(map(_spanned, values)))
            for name, values in found.items()
            if any(values)
        )
        if rows:
            yield score_title(score), rows


def _compared(
    pair: Pair, structures: Sequence[str], conditions: Sequence[NamedCondition]
) -> tuple[str, str, tuple[SpanRow, ...]]:
    measures = [*(("dice", name) for name in structures), *_COMPARED]
    rows = tuple(
        SpanRow(
            each.title, tuple(_decided(difference(pair, measure, each.key, of)) for measure, of in measures)
        )
        for each in conditions
    )
    return f"{pair['first']} less {pair['second']}", drawn(pair), rows


def _spanned(
    found: GroupValue | None, write: Callable[[float | None], str] = formatting.share, fails: bool = False
) -> SpanCell:
    return SpanCell(write(found.value if found else None), span(found, write), fails)


def _decided(found: Reading | None) -> SpanCell:
    if found is None:
        return SpanCell(formatting.MISSING)
    outside = found.low is not None and (found.low > 0 or found.high < 0)
    interval = formatting.interval(vars(found), formatting.difference)
    return SpanCell(formatting.difference(found.value), interval, decided=outside)


def _pictures(
    summary: Summary, columns: Sequence[str], conditions: Sequence[NamedCondition], first_number: int
) -> Iterable[Picture]:
    styles = styles_of(columns)
    readers = {
        structure: lambda name, key, structure=structure: _drawn(
            reading(summary, name, "dice", key, structure)
        )
        for structure in structures_of(summary)
    }
    drawable = (shown for group in GROUPS if (shown := families(conditions, group)))
    for number, shown in enumerate(drawable, start=first_number):
        against = "SNR" if all(chain[-1].axis == SNR for chain in shown.values()) else "strength"
        caption = (
            f"Dice against {against}, worse from left to right, the clean image at the left. Lines are means "
            "over the trainings of a group, bands reach from its lowest to its highest training; a single "
            "model has no band. The dashed line is the limit of failure. Colors are of this plot alone."
        )
        yield Picture(svg(curve_figure(readers, shown, _DICE, styles), number, caption), caption)


def _drawn(found: GroupValue | None) -> Reading:
    return Reading(None) if found is None else Reading(found.value, found.low, found.high)
