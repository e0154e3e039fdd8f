"""Risk-coverage curves of all cases, and reliability diagrams of all voxels near the structures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from trustseg_training.measures.calibration_error import Reliability
from trustseg_training.measures.case_ranking import risk_coverage
from trustseg_training.verification.suite import CLEAN
from trustseg_training.verification.tables import Tables

from .drawing import Style, axis_label, diagonal, gray_line, legend, new_figure, panels, title
from .named_conditions import NamedCondition
from .pool_table import score_title
from .readings import Summary, scores_of, worst_condition

#: Bins with a smaller share of the voxels are left out: their accuracy is chance.
LEAST_SHARE = 1e-3


def risk_coverage_curves(summary: Summary, tables: Tables, styles: dict[str, Style]) -> Figure:
    """Mean risk of the cases that are kept, a panel for each score."""
    scores = scores_of(summary)
    columns = min(len(scores), 3)
    rows = -(-len(scores) // columns)
    figure = new_figure(0.5 + 2.1 * rows)
    flat = [axes for row in panels(figure, rows, columns, sharey=True) for axes in row]
    for index, (axes, score) in enumerate(zip(flat, scores, strict=False)):
        for model, style in styles.items():
            cases = tables.cases[tables.cases["model"] == model]
            column = f"score_{score}"
            cases = cases.dropna(subset=[column]) if column in cases else cases[:0]
            if cases.empty:
                continue
            curve = risk_coverage(cases[column].to_numpy(float), 1 - cases["dice"].to_numpy(float))
            axes.plot(
                100 * curve.coverage, curve.risk, color=style.color, linestyle=style.dashes, linewidth=1.3
            )
        title(axes, _capital(score_title(score)))
        axis_label(
            axes, "Cases kept (%)", "Mean risk (1 \N{MINUS SIGN} Dice)" if index % columns == 0 else ""
        )
    for axes in flat[len(scores) :]:
        axes.set_visible(False)
    flat[0].set_ylim(bottom=0)
    legend(figure, styles)
    return figure


def reliability_diagrams(
    summary: Summary, tables: Tables, conditions: Sequence[NamedCondition], styles: dict[str, Style]
) -> Figure:
    """Accuracy against confidence on clean images and under the worst condition."""
    titles = {each.key: each.title for each in conditions}
    worst = worst_condition(summary, list(titles))
    shown = [CLEAN] if worst is None else [CLEAN, worst]
    figure = new_figure(3.4, width=3.6 * len(shown))
    (grid,) = panels(figure, 1, len(shown), sharey=True)
    for axes, condition in zip(grid, shown, strict=True):
        for model, style in styles.items():
            confidence, accuracy = reliability_points(pooled(tables, model, condition))
            axes.plot(
                confidence,
                accuracy,
                color=style.color,
                marker=style.marker,
                linestyle=style.dashes,
                linewidth=1.2,
                markersize=3.2,
            )
        diagonal(axes)
        title(axes, "Clean images" if condition == CLEAN else f"Worst: {titles[condition]}")
        axes.set(xlim=(0.3, 1), ylim=(0, 1.02))
        axis_label(axes, "Confidence of the label", "Share that is right" if axes is grid[0] else "")
    legend(figure, styles, [gray_line("calibrated")])
    return figure


def pooled(tables: Tables, model: str, condition: str) -> Reliability:
    """Sums of all cases of a model under a condition."""
    found = [
        sums for (one, under, _), sums in tables.reliability.items() if (one, under) == (model, condition)
    ]
    return sum(found[1:], found[0]) if found else Reliability.empty()


def reliability_points(sums: Reliability) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and accuracy of the bins that hold enough voxels."""
    least = max(LEAST_SHARE * sums.voxels, 1)
    rows = [row for row in sums.table() if row.count >= least]
    return np.array([row.confidence for row in rows]), np.array([row.accuracy for row in rows])


def _capital(text: str) -> str:
    # str.capitalize would make Dice small.
    return text[0].upper() + text[1:]
