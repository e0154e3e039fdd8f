"""Markdown of `trustseg-train results`: every model by condition, or several trainings side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from TrustSegLib.errors import OptionError

from . import numbers
from .readings import POOL, Measured, Summary, measured, scores_of, structures_of
from .tables import score_title
from .trainings import (
    Pair,
    Trained,
    columns_of,
    difference,
    drawn,
    groups_of,
    head,
    pairs_of,
    reading,
    rough,
    span,
    uncompared,
)

#: Of voxels near the structures: measure, of which uncertainty, title.
_VOXELS_OF_MODELS = (
    ("ece", "", "ECE"),
    ("auroc", "error_probability", "AUROC of wrong voxels by the error probability"),
    ("average_precision", "error_probability", "Average precision of wrong voxels by the error probability"),
)
_POOL = (("failure_auroc", "failure AUROC"), ("aurc", "AURC"), ("spearman", "Spearman"))


def condition_tables(summary: Summary, models: Sequence[str] | None = None) -> str:
    """Markdown of means over patients, a row for each condition and a column for each model.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    models : sequence of str, optional
        In this order; all by default.

    Raises
    ------
    OptionError
        A model was not verified.
    """
    columns = list(models or summary["conditions"])
    for name in columns:
        if name not in summary["conditions"]:
            known = ", ".join(summary["conditions"])
            raise OptionError(f"model {name!r}: not verified; name some of {known}")
    measures = [("dice", name, f"Dice of {name}") for name in structures_of(summary)]
    parts = [_conditions_of_models(summary, columns, *measure) for measure in (*measures, *_VOXELS_OF_MODELS)]
    return "\n".join([*parts, _scores_of_models(summary, columns)])


def _conditions_of_models(summary: Summary, models: Sequence[str], measure: str, of: str, title: str) -> str:
    conditions = dict.fromkeys(key for model in models for key in summary["conditions"][model])
    lines = [f"**{title}**\n", _row(["condition", *models]), _row(["---"] * (len(models) + 1))]
    for condition in conditions:
        found = [measured(summary, model, measure, condition, of) for model in models]
        lines.append(_row([condition, *(numbers.share(each.value if each else None) for each in found)]))
    return "\n".join(lines) + "\n"


def _scores_of_models(summary: Summary, models: Sequence[str]) -> str:
    """Whether one number per case tells the failures, over all cases under all conditions."""
    lines = ["**One number per case**\n"]
    lines += [_row(["model", "score", *(title for _, title in _POOL)]), _row(["---"] * (2 + len(_POOL)))]
    for model in models:
        for score in scores_of(summary):
            found = [measured(summary, model, measure, POOL, score) for measure, _ in _POOL]
            if any(found):
                values = (numbers.share(each.value if each else None) for each in found)
                lines.append(_row([model, score_title(score), *values]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


ERROR = "error_probability"

Write = Callable[[float | None], str]

#: (measure, of, title, how it is written)
Shown = tuple[str, str, str, Write]

_VOXELS_OF_TRAININGS: tuple[Shown, ...] = (
    ("ece", "", "ECE", numbers.share),
    ("auroc", ERROR, "AUROC of wrong voxels by the error probability", numbers.share),
    ("average_precision", ERROR, "Average precision of wrong voxels by the error probability", numbers.share),
)


def training_tables(summary: Summary, names: Sequence[str] | None = None) -> str:
    """Markdown of groups beside single models, a table for each measure, then of their differences.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    names : sequence of str, optional
        Groups and models in this order; all groups and the models outside of them by default.

    Raises
    ------
    OptionError
        The verification had no groups, or there is none of this name.
    """
    if not groups_of(summary):
        raise OptionError(
            "--seeds: no groups in this verification; verify again with --seeds GROUP NAME NAME"
        )
    columns = columns_of(summary, names)
    pairs = pairs_of(summary, columns)
    parts = [_means(summary, columns, *shown) for shown in _measures(structures_of(summary))]
    parts.append(_scores_of_trainings(summary, columns))
    parts += [_differences(summary, pairs, *shown) for shown in _compared(structures_of(summary)) if pairs]
    return "\n".join([*parts, _notes(summary, columns, pairs)])


def _measures(structures: Sequence[str]) -> Iterable[Shown]:
    for name in structures:
        yield "dice", name, f"Dice of {name}", numbers.share
        yield "hd95_mm", name, f"HD95 of {name} (mm)", numbers.length
    yield from _VOXELS_OF_TRAININGS


def _compared(structures: Sequence[str]) -> Iterable[Shown]:
    for name in structures:
        yield "dice", name, f"Difference in Dice of {name}", numbers.difference
    for measure, of, title, _ in _VOXELS_OF_TRAININGS[:2]:
        yield measure, of, f"Difference in {title}", numbers.difference


def _means(summary: Summary, columns: Sequence[str], measure: str, of: str, title: str, write: Write) -> str:
    heads = ["condition", *(head(summary, name) for name in columns)]
    rows = (
        [key, *(_with_span(reading(summary, name, measure, key, of), write) for name in columns)]
        for key in _conditions(summary)
    )
    return _table(title, heads, rows)


def _scores_of_trainings(summary: Summary, columns: Sequence[str]) -> str:
    """Whether one number per case tells the failures, over all cases under all conditions."""
    rows = []
    for name in columns:
        for score in scores_of(summary):
            found = [reading(summary, name, measure, POOL, score) for measure, _ in _POOL]
            if any(found):
                cells = (_with_span(each, numbers.share) for each in found)
                rows.append([head(summary, name), score_title(score), *cells])
    return _table("One number per case", ["model", "score", *(title for _, title in _POOL)], rows)


def _differences(
    summary: Summary, pairs: Sequence[Pair], measure: str, of: str, title: str, write: Write
) -> str:
    heads = ["condition", *(f"{pair['first']} less {pair['second']}" for pair in pairs)]
    rows = (
        [key, *(_with_interval(difference(pair, measure, key, of), write) for pair in pairs)]
        for key in _conditions(summary)
    )
    return _table(title, heads, rows)


def _notes(summary: Summary, columns: Sequence[str], pairs: Sequence[Pair]) -> str:
    lines = ["Means over patients; of several trainings their mean (lowest to highest)."]
    lines.append(rough(summary, columns))
    if pairs:
        lines.append(
            "Differences have 95 % intervals, not corrected for their number. Drawn with replacement:\n"
        )
    else:
        lines.append(uncompared(summary, columns))
    drawings = [f"- {pair['first']} less {pair['second']}: {drawn(pair)}" for pair in pairs]
    return "\n".join([" ".join(lines), *drawings]) + "\n"


def _conditions(summary: Summary) -> list[str]:
    return list(dict.fromkeys(key for rows in summary["conditions"].values() for key in rows))


def _with_span(found: Trained | None, write: Write) -> str:
    value = write(found.value if found else None)
    return f"{value} ({span(found, write)})" if span(found) else value


def _with_interval(found: Measured | None, write: Write) -> str:
    if found is None:
        return numbers.MISSING
    return f"{write(found.value)} {numbers.interval(vars(found), write)}".strip()


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"**{title}**\n", _row(heads), _row(["---"] * len(heads)), *map(_row, rows)]
    return "\n".join(lines) + "\n"
