"""All plots of the report in their order, including those of all cases together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from trustseg_training.corruptions import CLEAN
from trustseg_training.metrics.calibration_error import Reliability
from trustseg_training.metrics.case_ranking import risk_coverage
from trustseg_training.robustness.tables import Tables

from .condition_plots import (
    MASKS,
    UNCERTAINTY,
    VARIANCE,
    case_curves,
    correct_and_wrong,
    delta_dice_bars,
    mask_curves,
    qu_brats_scores,
)
from .drawing import (
    Picture,
    Style,
    axis_label,
    diagonal,
    gray_line,
    legend,
    new_figure,
    panels,
    styles_of,
    svg,
    title,
)
from .named_conditions import ARTIFACTS, ATTACKS, GROUPS, NOISE, NamedCondition
from .readings import Summary, has_variance, score_title, scores_of, worst_condition

Captioned = tuple[Figure, str]
"""Figure and caption."""

#: Bins with a smaller share of the voxels are left out: their accuracy is chance.
LEAST_SHARE = 1e-3

_BAND = "Bands are 95 % intervals over patients."
_AGAINST = {NOISE: "kind of noise", ARTIFACTS: "artifact", ATTACKS: "attack"}
_GROUP_TITLES = {NOISE: "Noise", ARTIFACTS: "Image artifacts", ATTACKS: "Attacks"}


@dataclass(frozen=True)
class Chapter:
    """Plots of one subject under a common title."""

    title: str
    pictures: tuple[Picture, ...]


def chapters(summary: Summary, tables: Tables, conditions: Sequence[NamedCondition]) -> list[Chapter]:
    """Draw everything; a chapter without a picture is left out."""
    styles = styles_of(list(summary["conditions"]))
    figures: dict[str, list[Captioned]] = {
        _GROUP_TITLES[group]: list(_curves(summary, tables, conditions, group, styles))
        for group in GROUPS
        if any(each.group == group for each in conditions)
    }
    figures["Right and wrong voxels"] = [
        (
            correct_and_wrong(summary, conditions, styles),
            "Mean error probability of right (hollow) and wrong (filled) voxels near the structures. The "
            "farther apart, the better the map indicates errors. Lines are 95 % intervals over patients.",
        )
    ]
    figures["Setting uncertain voxels aside"] = [
        (
            delta_dice_bars(tables, conditions, styles),
            "Delta-DSC, mean over structures and patients. Right of 0: what was set aside was wrong more "
            "often than what was kept. Gray lines are 95 % intervals over patients.",
        )
    ]
    figures["All cases under all conditions"] = list(_of_pool(summary, tables, conditions, styles))
    return _numbered(figures)


def _curves(
    summary: Summary,
    tables: Tables,
    conditions: Sequence[NamedCondition],
    group: str,
    styles: Mapping,
) -> Iterator[Captioned]:
    worse = f"for each {_AGAINST[group]}; it gets worse from left to right, starting with the clean image"
    for measure in MASKS:
        limit = " The dashed line is the limit of failure." if measure.limit else ""
        yield (
            mask_curves(summary, conditions, group, measure, styles),
            f"{measure.title} {worse}. {_BAND}{limit}",
        )
    yield (
        case_curves(tables, conditions, group, UNCERTAINTY, styles),
        f"Mean error probability near the prediction {worse}. {_BAND}",
    )
    with_variance = {model: style for model, style in styles.items() if has_variance(summary, model)}
    if with_variance:
        yield (
            case_curves(tables, conditions, group, VARIANCE, with_variance),
            f"Mean predictive variance near the prediction {worse}. Models without variance are left out. "
            f"{_BAND}",
        )


def _of_pool(
    summary: Summary, tables: Tables, conditions: Sequence[NamedCondition], styles: Mapping
) -> Iterator[Captioned]:
    yield (
        risk_coverage_curves(summary, tables, styles),
        "Risk-coverage curves: the least trusted cases are referred to a person first. A good score makes "
        "the curve fall to the left; an uninformative one leaves it level.",
    )
    yield (
        reliability_diagrams(summary, tables, conditions, styles),
        "Reliability: below the dashed line, a model is overconfident. All patients together, voxels near "
        "the structures; bins with less than 0.1 % of the voxels are left out. The worst condition is the "
        "one with the lowest mean Dice over all models.",
    )
    yield (
        qu_brats_scores(tables, conditions, styles),
        "QU-BraTS score of each uncertainty, mean over structures and patients, with 95 % intervals.",
    )


def _numbered(figures: Mapping[str, list[Captioned]]) -> list[Chapter]:
    found, number = [], 0
    for name, captioned in figures.items():
        pictures = []
        for figure, caption in captioned:
            number += 1
            pictures.append(Picture(svg(figure, number, caption), caption))
        if pictures:
            found.append(Chapter(name, tuple(pictures)))
    return found


def risk_coverage_curves(summary: Summary, tables: Tables, styles: dict[str, Style]) -> Figure:
    """Risk-coverage curves, a panel for each score."""
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
        axis_label(axes, "Confidence of the label", "Accuracy" if axes is grid[0] else "")
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
