"""Plots with a row for every condition: right and wrong voxels, Delta-DSC and the QU-BraTS score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trustseg_training.measures.filtering import FRACTIONS
from trustseg_training.verification.assessment import UNCERTAINTIES
from trustseg_training.verification.tables import Tables

from .drawing import Style, axis_label, legend, new_figure, panels, reference, title
from .named_conditions import NamedCondition
from .readings import Reading, Summary, selected, table_reading

UNCERTAINTY_TITLES = {
    "error_probability": "Error probability",
    "predictive_variance": "Predictive variance",
    "entropy": "Entropy",
}


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
    """What setting the most uncertain voxels aside does to the Dice, a panel for each share."""
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
    """QU-BraTS score of each uncertainty, mean over structures and patients."""
    figure = new_figure(0.8 + 0.16 * len(conditions))
    (grid,) = panels(figure, 1, len(UNCERTAINTIES), sharex=True, sharey=True)
    for axes, uncertainty in zip(grid, UNCERTAINTIES, strict=True):
        for offset, (model, style) in zip(_offsets(len(styles), 0.5), styles.items(), strict=True):
            column = f"qu_brats_{uncertainty}"
            points = [
                table_reading(selected(tables.structures, model, each.key), column) for each in conditions
            ]
            _dots(axes, points, np.arange(len(points)) + offset, style, True)
        title(axes, UNCERTAINTY_TITLES.get(uncertainty, uncertainty))
        axis_label(axes, "QU-BraTS score")
    _name_rows(grid[0], conditions)
    legend(figure, styles)
    return figure


def _offsets(models: int, height: float = 0.8) -> list[float]:
    """Where the models stand in a row, from its upper end."""
    return [height * ((index + 0.5) / models - 0.5) for index in range(models)]


def _detected(summary: Summary, model: str, condition: str, name: str) -> Reading:
    rows = summary["conditions"][model].get(condition, {})
    found = rows.get("detection", {}).get("error_probability", {}).get(name) or {}
    values = (found.get(part) for part in ("value", "low", "high"))
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
