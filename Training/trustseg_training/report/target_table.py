"""Targets of a data set beside the results of a verification: published, target, ours, met or missed.

Targets are data: a CSV file with a line for each value and its source. Its columns are `COLUMNS`; each
further column is a model with its published values.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trustseg_training import formatting
from TrustSegLib.errors import OptionError

from .readings import TITLES, Reading, Summary, look_up

COLUMNS = ("section", "what", "measure", "condition", "of", "sense", "target", "source")
SENSES = ("at least", "above", "at most", "below")

_FOLDER = Path(__file__).parent / "targets"
_MASKS = ("dice", "hd95_mm")


@dataclass(frozen=True)
class Target:
    """One line of the file.

    Attributes
    ----------
    section, what, source : str
        For the reader.
    measure, condition, of : str
        What is compared, see `readings.look_up`.
    sense : str
        One of `SENSES`.
    target : str
        A number; or the name of a model of the same verification whose value is the target, followed by
        ``:score`` for another score than ``of``.
    published : mapping of str to str
        Published values of other models.
    """

    section: str
    what: str
    measure: str
    condition: str
    of: str
    sense: str
    target: str
    source: str
    published: Mapping[str, str]


@dataclass(frozen=True)
class Checked:
    """A target and the measured value; ``met`` is None where either is missing."""

    target: Target
    threshold: float | None
    ours: Reading | None
    met: bool | None


def names() -> list[str]:
    """Names of the data sets whose targets ship."""
    return sorted(path.stem for path in _FOLDER.glob("*.csv"))


def load_targets(name: str) -> list[Target]:
    """Load targets that ship, by name, or those of a CSV file.

    Raises
    ------
    OptionError
        There are no targets of this name, or a line of the file is invalid.
    """
    path = Path(name) if name.endswith(".csv") else _FOLDER / f"{name}.csv"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
    except OSError as error:
        known = ", ".join(names())
        raise OptionError(f"targets {name!r}: not found; use one of {known}, or a .csv file") from error
    return [_target(path, number, line) for number, line in enumerate(lines, start=2)]


def check(targets: Sequence[Target], summary: Summary, model: str) -> list[Checked]:
    """Compare every target with the measured value.

    Raises
    ------
    OptionError
        The verification has no such model.
    """
    if model not in summary["conditions"]:
        raise OptionError(f"model {model!r}: not verified; name one of {', '.join(summary['conditions'])}")
    return [_checked(target, summary, model) for target in targets]


def markdown(checked: Sequence[Checked], model: str) -> str:
    """The targets as Markdown: a table for each section, and how many are met."""
    lines = []
    for section in dict.fromkeys(each.target.section for each in checked):
        lines += [f"## {section}", "", _table([each for each in checked if each.target.section == section])]
        lines.append("")
    known = [each.met for each in checked if each.met is not None]
    lines.append(
        f"{model}: {sum(known)} of {len(known)} targets are met; {len(checked) - len(known)} not measured."
    )
    return "\n".join(lines) + "\n"


def _target(path: Path, number: int, line: Mapping[str, str | None]) -> Target:
    if None in line or None in line.values() or not set(COLUMNS) <= set(line):
        raise OptionError(f"{path}, line {number}: needs a value for each column: {', '.join(COLUMNS)}, ...")
    if line["sense"] not in SENSES:
        raise OptionError(f"{path}, line {number}: sense {line['sense']!r}; use {', '.join(SENSES)}")
    published = {name: value for name, value in line.items() if name not in COLUMNS}
    return Target(*(line[name] for name in COLUMNS), published)


def _checked(target: Target, summary: Summary, model: str) -> Checked:
    ours = look_up(summary, model, target.measure, target.condition, target.of, _low_is_good(target))
    threshold = _threshold(target, summary)
    if ours is None or threshold is None:
        return Checked(target, threshold, ours, None)
    met = {
        "at least": ours.value >= threshold,
        "above": ours.value > threshold,
        "at most": ours.value <= threshold,
        "below": ours.value < threshold,
    }
    return Checked(target, threshold, ours, met[target.sense])


def _threshold(target: Target, summary: Summary) -> float | None:
    """The number, or the value of the named model."""
    try:
        return float(target.target)
    except ValueError:
        other, _, score = target.target.partition(":")
    found = look_up(
        summary, other, target.measure, target.condition, score or target.of, _low_is_good(target)
    )
    return None if found is None else found.value


def _low_is_good(target: Target) -> bool:
    return target.sense in ("at most", "below")


def _table(checked: Sequence[Checked]) -> str:
    models = [
        name for name in checked[0].target.published if any(each.target.published[name] for each in checked)
    ]
    heads = ["what", "of", *models, "source", "target", "ours", ""]
    return formatting.markdown_table(heads, [_cells(each, models) for each in checked])


def _cells(each: Checked, models: Sequence[str]) -> list[str]:
    target = each.target
    named = f"{target.what}: {TITLES[target.measure]}" if target.measure in _MASKS else target.what
    threshold = f"{target.sense} {target.target}"
    if each.threshold is not None and not _is_number(target.target):
        threshold += f" ({formatting.decimal(each.threshold)})"
    met = {True: "met", False: "**missed**", None: "not measured"}[each.met]
    published = [target.published[name] or formatting.MISSING for name in models]
    return [named, target.of.replace("_", " "), *published, target.source, threshold, _ours(each.ours), met]


def _ours(ours: Reading | None) -> str:
    if ours is None:
        return formatting.MISSING
    text = formatting.with_interval(vars(ours), formatting.decimal)
    return text + (f" ({ours.condition})" if ours.condition else "")


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()
