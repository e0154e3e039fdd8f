"""Markdown of `trustseg-train results`: models or several trainings side by side, by condition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trustseg_training import formatting
from trustseg_training.formatting import Format, markdown_table
from trustseg_training.robustness.summary import RANKING_MEASURES
from TrustSegLib.errors import OptionError

from .familiarity_tables import CAPTION, HEADS, familiarity_rows
from .readings import ERROR, POOL, TITLES, Summary, cuts_of, score_title, scores_of, structures_of
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
    why_no_differences,
)

Shown = tuple[str, str, str, Format]
"""Measure, what it is of (see `readings.look_up`), title, and how its values are written."""

#: Of the voxels near the structures.
_VOXELS: tuple[Shown, ...] = (
    ("ece", "", "ECE", formatting.share),
    ("auroc", ERROR, "AUROC of wrong voxels by the error probability", formatting.share),
    ("average_precision", ERROR, "AUPR of wrong voxels by the error probability", formatting.share),
)


def condition_tables(summary: Summary, models: Sequence[str] | None = None) -> str:
    """Markdown of means over patients, with a row for each condition and a column for each model.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    models : sequence of str, optional
        In this order; by default all.

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
    names = structures_of(summary)
    biases = (("volume_bias", name, f"Volume bias of {name}", formatting.change) for name in names)
    masks = (*_masks(names), *biases)
    parts = [_means(summary, columns, *shown) for shown in (*masks, *_VOXELS, *_cuts(summary))]
    return "\n".join([*parts, *_familiar(summary, columns), _scores(summary, columns)])


def training_tables(summary: Summary, names: Sequence[str] | None = None) -> str:
    """Markdown of groups beside single models, a table for each measure, then of their differences.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    names : sequence of str, optional
        Groups and models in this order; by default all groups, and the models outside of them.

    Raises
    ------
    OptionError
        The verification had no groups, or there is no group or model of a name.
    """
    if not groups_of(summary):
        raise OptionError(
            "--seeds: no groups in this verification; verify again with --seeds GROUP NAME NAME"
        )
    columns, structures = columns_of(summary, names), structures_of(summary)
    pairs = pairs_of(summary, columns)
    parts = [_means(summary, columns, *shown) for shown in (*_masks(structures), *_VOXELS)]
    parts.append(_scores(summary, columns))
    parts += [_differences(summary, pairs, *shown) for shown in _compared(structures) if pairs]
    return "\n".join([*parts, _notes(summary, columns, pairs)])


def _masks(structures: Sequence[str]) -> Iterable[Shown]:
    for name in structures:
        yield "dice", name, f"Dice of {name}", formatting.share
        yield "hd95_mm", name, f"HD95 of {name} (mm)", formatting.length


def _cuts(summary: Summary) -> Iterable[Shown]:
    """Union and cut of models with several structures; the measures of the structures are above."""
    for title in cuts_of(summary):
        yield "dice", title, f"Dice of {title}", formatting.share
        yield "hd95_mm", title, f"HD95 of {title} (mm)", formatting.length


def _familiar(summary: Summary, columns: Sequence[str]) -> list[str]:
    """What the models have met before, and what they do under the rest."""
    rows = familiarity_rows(summary, columns)
    return [f"{_titled('Seen and unseen', HEADS, rows)}\n{CAPTION}\n"] if rows else []


def _compared(structures: Sequence[str]) -> Iterable[Shown]:
    for name in structures:
        yield "dice", name, f"Difference in Dice of {name}", formatting.difference
    for measure, of, title, _ in _VOXELS[:2]:
        yield measure, of, f"Difference in {title}", formatting.difference


def _means(summary: Summary, columns: Sequence[str], measure: str, of: str, title: str, write: Format) -> str:
    heads = ["condition", *(head(summary, name) for name in columns)]
    rows = (
        [key, *(_with_span(reading(summary, name, measure, key, of), write) for name in columns)]
        for key in _conditions(summary)
    )
    return _titled(title, heads, rows)


def _scores(summary: Summary, columns: Sequence[str]) -> str:
    """How well one number per case detects failures, over all cases under all conditions."""
    rows = []
    for name in columns:
        for score in scores_of(summary):
            found = [reading(summary, name, measure, POOL, score) for measure in RANKING_MEASURES]
            if any(found):
                cells = (_with_span(each, formatting.share) for each in found)
                rows.append([head(summary, name), score_title(score), *cells])
    heads = ["model", "score", *(TITLES[measure] for measure in RANKING_MEASURES)]
    return _titled("One number per case", heads, rows)


def _differences(
    summary: Summary, pairs: Sequence[Pair], measure: str, of: str, title: str, write: Format
) -> str:
    heads = ["condition", *(f"{pair['first']} less {pair['second']}" for pair in pairs)]
    rows = []
    for key in _conditions(summary):
        found = (difference(pair, measure, key, of) for pair in pairs)
        rows.append([key, *(formatting.with_interval(vars(each) if each else None, write) for each in found)])
    return _titled(title, heads, rows)


def _notes(summary: Summary, columns: Sequence[str], pairs: Sequence[Pair]) -> str:
    lines = ["Means over patients; of several trainings their mean (lowest to highest)."]
    lines.append(interval_caution(summary, columns))
    if pairs:
        lines.append(
            "Differences have 95 % intervals, not corrected for their number. Drawn with replacement:\n"
        )
    else:
        lines.append(why_no_differences(summary, columns))
    drawings = [f"- {pair['first']} less {pair['second']}: {drawn(pair)}" for pair in pairs]
    return "\n".join([" ".join(lines), *drawings]) + "\n"


def _conditions(summary: Summary) -> list[str]:
    return list(dict.fromkeys(key for rows in summary["conditions"].values() for key in rows))


def _with_span(found: GroupValue | None, write: Format) -> str:
    value = write(found.value if found else None)
    return f"{value} ({span(found, write)})" if span(found) else value


def _titled(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return f"**{title}**\n\n{markdown_table(heads, rows)}\n"
