"""Every model under every condition as Markdown tables, one for each measure: for a page of results."""

from __future__ import annotations

from collections.abc import Sequence

from TrustSegLib.errors import OptionError

from . import numbers
from .measured_values import POOL, measured
from .pool_table import score_title
from .readings import Summary, scores_of, structures_of

#: Of voxels near the structures: measure, of which uncertainty, title.
_VOXELS = (
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
    parts = [_by_condition(summary, columns, *measure) for measure in (*measures, *_VOXELS)]
    return "\n".join([*parts, _by_score(summary, columns)])


def _by_condition(summary: Summary, models: Sequence[str], measure: str, of: str, title: str) -> str:
    conditions = dict.fromkeys(key for model in models for key in summary["conditions"][model])
    lines = [f"**{title}**\n", _row(["condition", *models]), _row(["---"] * (len(models) + 1))]
    for condition in conditions:
        found = [measured(summary, model, measure, condition, of) for model in models]
        lines.append(_row([condition, *(numbers.share(each.value if each else None) for each in found)]))
    return "\n".join(lines) + "\n"


def _by_score(summary: Summary, models: Sequence[str]) -> str:
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
