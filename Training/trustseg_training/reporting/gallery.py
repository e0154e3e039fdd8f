"""All plots of the report, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from trustseg_training.verification.tables import Tables

from .by_condition import correct_and_wrong, delta_dice_bars, qu_brats_scores
from .curves import MASKS, UNCERTAINTY, VARIANCE, case_curves, mask_curves
from .drawing import Picture, styles_of, svg
from .named_conditions import ARTIFACTS, ATTACKS, GROUPS, NOISE, NamedCondition
from .pool_plots import reliability_diagrams, risk_coverage_curves
from .readings import Summary, has_variance

#: (figure, caption).
Captioned = tuple[Figure, str]

_BAND = "Bands are 95 % intervals over patients."
_AGAINST = {NOISE: "kind of noise", ARTIFACTS: "artifact", ATTACKS: "attack"}
_GROUP_TITLES = {NOISE: "Noise", ARTIFACTS: "Image artifacts", ATTACKS: "Attacks"}


@dataclass(frozen=True)
class Chapter:
    """Plots that answer one question."""

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
            "farther "
            "apart, the better the map points at errors. Lines are 95 % intervals over patients.",
        )
    ]
    figures["Setting uncertain voxels aside"] = [
        (
            delta_dice_bars(tables, conditions, styles),
            "Delta-DSC, mean over structures and patients. Right of 0: what was set aside was wrong more "
            "often "
            "than what was kept. Gray lines are 95 % intervals over patients.",
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
    worse = (
        f"for each {_AGAINST[group]}; it gets worse from left to right, the clean image stands at the left"
    )
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
        "Risk-coverage curves: the least trusted cases are given to a person first. A good score makes the "
        "curve fall to the left; one that knows nothing leaves it level.",
    )
    yield (
        reliability_diagrams(summary, tables, conditions, styles),
        "Reliability: below the dashed line, a model is surer than it is right. All patients together, "
        "voxels "
        "near the structures; bins with less than 0.1 % of the voxels are left out. The worst condition is "
        "that "
        "with the lowest mean Dice over all models.",
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
