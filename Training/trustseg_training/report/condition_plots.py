"""Plots by condition: measures against strength, and measures with a row for each condition.

Against strength there is a panel for each kind of noise, artifact or attack and a line for each model. The
rows show right and wrong voxels, Delta-DSC and the QU-BraTS score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trustseg_training.metrics.case_ranking import FAILURE_DICE
from trustseg_training.metrics.filtering import FRACTIONS
from trustseg_training.robustness.assessment import UNCERTAINTIES
from trustseg_training.robustness.tables import Tables, selected
from TrustSegLib.contract import map_title

from .drawing import Style, axis_label, legend, new_figure, panels, reference, title
from .named_conditions import SNR, NamedCondition, families
from .readings import ERROR, Reading, Summary, look_up, mask_reading, structures_of, table_reading

_COLUMNS = 4


@dataclass(frozen=True)
class Measure:
    """A measure on the vertical axis; ``limit`` is marked by a line."""

    name: str
    title: str
    axis: str
    factor: float = 1.0
    limit: float | None = None


MASKS = (
    Measure("dice", "Dice", "Dice", limit=FAILURE_DICE),
    Measure("hd95_mm", "HD95", "HD95 (mm)"),
    Measure("over_segmentation", "Over-segmentation (Os)", "Os (share of union)"),
    Measure("under_segmentation", "Under-segmentation (Us)", "Us (share of union)"),
)
UNCERTAINTY = Measure("score_mean_error_probability", "Mean uncertainty", "Error prob. (%)", 100)
VARIANCE = Measure("score_mean_predictive_variance", "Mean predictive variance", "Variance (1e-3)", 1000)

Read = Callable[[str, str], Reading]


def mask_curves(
    summary: Summary,
    conditions: Sequence[NamedCondition],
    group: str,
    measure: Measure,
    styles: dict[str, Style],
) -> Figure:
    """A measure of masks against strength, structure by structure."""
    readers = {
        structure: lambda model, key, structure=structure: mask_reading(
            summary, model, key, structure, measure.name
        )
        for structure in structures_of(summary)
    }
    return curve_figure(readers, families(conditions, group), measure, styles)


def case_curves(
    tables: Tables,
    conditions: Sequence[NamedCondition],
    group: str,
    measure: Measure,
    styles: dict[str, Style],
) -> Figure:
    """A number per case against strength."""

    def read(model: str, key: str) -> Reading:
        return table_reading(selected(tables.cases, model, key), measure.name, measure.factor)

    return curve_figure({"": read}, families(conditions, group), measure, styles)


def curve_figure(
    readers: dict[str, Read],
    shown: dict[str, list[NamedCondition]],
    measure: Measure,
    styles: dict[str, Style],
) -> Figure:
    """A block of panels for each reader, a panel for each family, a line for each name of ``styles``.

    Parameters
    ----------
    readers : dict
        By name, such as that of a structure: takes a name of ``styles`` and a condition's key.
    shown : dict
        Conditions by family, see `families`.
    measure : Measure
        That is plotted.
    styles : dict of str to Style
        Of each line.
    """
    columns = min(len(shown), _COLUMNS)
    rows = -(-len(shown) // columns)
    # A single panel is no wider than half a page.
    figure = new_figure(0.45 + 1.55 * rows * len(readers), width=1.2 + 1.5 * max(columns, 2))
    grid = panels(figure, rows * len(readers), columns, sharey=True)
    for block, (name, read) in enumerate(readers.items()):
        for index in range(rows * columns):
            axes = grid[block * rows + index // columns][index % columns]
            if index >= len(shown):
                axes.set_visible(False)
                continue
            family, conditions = list(shown.items())[index]
            _panel(axes, conditions, read, styles)
            title(axes, family)
            last = index + columns >= len(shown)
            label = f"{measure.axis}\n{name}" if name else measure.axis
            axis_label(axes, conditions[-1].axis if last else "", label if index % columns == 0 else "")
            if measure.limit is not None:
                reference(axes, y=measure.limit)
    if measure.limit is None:
        grid[0][0].set_ylim(bottom=0)
    legend(figure, styles)
    return figure


def _panel(axes: Axes, conditions: list[NamedCondition], read: Read, styles: dict[str, Style]) -> None:
    places = positions(conditions)
    for model, style in styles.items():
        points = [(place, read(model, each.key)) for place, each in zip(places, conditions, strict=True)]
        known = [(place, point) for place, point in points if point.value is not None]
        axes.plot(
            [place for place, _ in known],
            [point.value for _, point in known],
            color=style.color,
            marker=style.marker,
            linestyle=style.dashes,
            linewidth=1.3,
            markersize=3.2,
        )
        banded = [(place, point) for place, point in known if point.low is not None]
        if banded:
            axes.fill_between(
                [place for place, _ in banded],
                [point.low for _, point in banded],
                [point.high for _, point in banded],
                color=style.color,
                alpha=0.15,
                linewidth=0,
            )
    axes.set_xticks(places, ["clean", *(f"{each.strength:g}" for each in conditions[1:])])


def positions(conditions: Sequence[NamedCondition]) -> list[float]:
    """Positions of conditions: to scale, worse to the right; the clean image one step before the first.

    The SNR of the clean image is infinite, so its step is no distance: it is the smallest step between two
    others (or half the largest, if that is larger), or 1.
    """
    strengths = [each.strength for each in conditions[1:]]
    rising = [-value for value in strengths] if conditions[-1].axis == SNR else strengths
    steps = [after - before for before, after in pairwise(rising)]
    step = max(max(steps) / 2, min(steps)) if steps else 1.0
    return [rising[0] - step, *rising]


def correct_and_wrong(
    summary: Summary, conditions: Sequence[NamedCondition], styles: dict[str, Style]
) -> Figure:
    """Mean error probability of right (hollow) and wrong (filled) voxels, a panel for each model."""
    columns = min(len(styles), 3)
    rows = -(-len(styles) // columns)
    figure = new_figure(0.8 + rows * (0.5 + 0.15 * len(conditions)))
    grid = panels(figure, rows, columns, sharex=True, sharey=True)
    flat = [axes for row in grid for axes in row]
    for axes, (model, style) in zip(flat, styles.items(), strict=False):
        for name, filled in (("mean_correct", False), ("mean_wrong", True)):
            points = [_detected(summary, model, each.key, name) for each in conditions]
            _dots(axes, points, np.arange(len(points)), style, filled)
        title(axes, model)
        axis_label(axes, "Mean error probability (%)")
    for axes in flat[len(styles) :]:
        axes.set_visible(False)
    _name_rows(grid[0][0], conditions)
    flat[0].set_xlim(left=0)
    marks = [
        Line2D([], [], color="gray", marker="o", linestyle="none", markerfacecolor=face, label=label)
        for label, face in (("right voxels", "none"), ("wrong voxels", "gray"))
    ]
    legend(figure, {}, marks)
    return figure


def delta_dice_bars(tables: Tables, conditions: Sequence[NamedCondition], styles: dict[str, Style]) -> Figure:
    """Change of the Dice when the most uncertain voxels are set aside, a panel for each share."""
    figure = new_figure(0.8 + len(conditions) * (0.07 + 0.075 * len(styles)))
    (grid,) = panels(figure, 1, len(FRACTIONS), sharex=True, sharey=True)
    for axes, fraction in zip(grid, FRACTIONS, strict=True):
        for offset, (model, style) in zip(_offsets(len(styles)), styles.items(), strict=True):
            column = f"delta_dice_{100 * fraction:g}"
            points = [
                table_reading(selected(tables.structures, model, each.key), column) for each in conditions
            ]
            _bars(axes, points, offset, 0.8 / len(styles), style)
        title(axes, f"{100 * fraction:g} % set aside")
        axis_label(axes, "Delta-DSC")
        reference(axes, x=0)
    _name_rows(grid[0], conditions)
    legend(figure, styles)
    return figure


def qu_brats_scores(tables: Tables, conditions: Sequence[NamedCondition], styles: dict[str, Style]) -> Figure:
    """QU-BraTS score of each uncertainty, averaged over structures and patients."""
    figure = new_figure(0.8 + 0.16 * len(conditions))
    (grid,) = panels(figure, 1, len(UNCERTAINTIES), sharex=True, sharey=True)
    for axes, uncertainty in zip(grid, UNCERTAINTIES, strict=True):
        for offset, (model, style) in zip(_offsets(len(styles), 0.5), styles.items(), strict=True):
            column = f"qu_brats_{uncertainty}"
            points = [
                table_reading(selected(tables.structures, model, each.key), column) for each in conditions
            ]
            _dots(axes, points, np.arange(len(points)) + offset, style, True)
        title(axes, map_title(uncertainty))
        axis_label(axes, "QU-BraTS score")
    _name_rows(grid[0], conditions)
    legend(figure, styles)
    return figure


def _offsets(models: int, height: float = 0.8) -> list[float]:
    """Vertical offsets of the models within a row, from its upper end."""
    return [height * ((index + 0.5) / models - 0.5) for index in range(models)]


def _detected(summary: Summary, model: str, condition: str, name: str) -> Reading:
    """In percent."""
    found = look_up(summary, model, name, condition, ERROR) or Reading(None)
    values = (found.value, found.low, found.high)
    return Reading(*(None if value is None else 100 * value for value in values))


def _dots(axes: Axes, points: list[Reading], heights: np.ndarray, style: Style, filled: bool) -> None:
    for height, point in zip(heights, points, strict=True):
        if point.low is not None:
            axes.plot([point.low, point.high], [height, height], color=style.color, linewidth=1, alpha=0.5)
    known = [
        (point.value, height)
        for point, height in zip(points, heights, strict=True)
        if point.value is not None
    ]
    axes.plot(
        [value for value, _ in known],
        [height for _, height in known],
        linestyle="none",
        color=style.color,
        marker=style.marker,
        markersize=3.6,
        markerfacecolor=style.color if filled else "none",
    )


def _bars(axes: Axes, points: list[Reading], offset: float, height: float, style: Style) -> None:
    for row, point in enumerate(points):
        if point.value is None:
            continue
        axes.barh(row + offset, point.value, height, color=style.color, alpha=0.85)
        if point.low is not None:
            axes.plot([point.low, point.high], [row + offset] * 2, color="gray", linewidth=0.8)


def _name_rows(axes: Axes, conditions: Sequence[NamedCondition]) -> None:
    axes.set_yticks(range(len(conditions)), [each.title for each in conditions])
    axes.set_ylim(len(conditions) - 0.5, -0.5)
