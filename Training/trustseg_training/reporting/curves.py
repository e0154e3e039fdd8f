"""Measures against strength: a panel for each kind of noise, artifact or attack, a line for each model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trustseg_training.measures.case_ranking import FAILURE_DICE
from trustseg_training.verification.tables import Tables

from .drawing import Style, axis_label, legend, new_figure, panels, reference, title
from .named_conditions import SNR, NamedCondition, families
from .readings import Reading, Summary, mask_reading, selected, structures_of, table_reading

_COLUMNS = 4


@dataclass(frozen=True)
class Measure:
    """What is plotted upwards."""

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
    """A measure of masks, structure by structure."""
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
    """A number per case."""

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
        By name, such as a structure: takes a name of ``styles`` and a condition's key.
    shown : dict
        Conditions by family, see `families`.
    measure : Measure
        What is read.
    styles : dict of str to Style
        Of everything that is read.
    """
    columns = min(len(shown), _COLUMNS)
    rows = -(-len(shown) // columns)
    # A panel alone is no wider than half a page.
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
    """Where conditions stand: to scale, worse to the right; the clean image one step before the first.

    The clean image has no SNR (it is infinite), so that its step is no distance: the smallest one between
    two others, or 1.
    """
    strengths = [each.strength for each in conditions[1:]]
    rising = [-value for value in strengths] if conditions[-1].axis == SNR else strengths
    steps = [after - before for before, after in pairwise(rising)]
    step = max(max(steps) / 2, min(steps)) if steps else 1.0
    return [rising[0] - step, *rising]
