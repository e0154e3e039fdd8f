"""Targets of a data set beside what a verification measured: published, wanted, ours, met or missed.

What is wanted is data: a CSV file of a line for each number, with its source. Its columns are `COLUMNS`;
every further one is a model with its published values.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from TrustSegLib.errors import OptionError

from . import numbers
from .readings import Measured, Summary, measured

COLUMNS = ("section", "what", "measure", "condition", "of", "sense", "target", "source")
SENSES = ("at least", "above", "at most", "below")

_FOLDER = Path(__file__).parent / "targets"
_TITLES = {
    "dice": "Dice",
    "hd95_mm": "HD95 (mm)",
}


@dataclass(frozen=True)
class Target:
    """One line of the file.

    Attributes
    ----------
    section, what, source : str
        For people.
    measure, condition, of : str
        What is looked up, see `measured_values.measured`.
    sense : str
        One of `SENSES`.
    target : str
        A number; or the name of a model of the same verification, whose value is to be reached, with
        ``:score`` behind it for another score than ``of``.
    published : mapping of str to str
        Values of other models, as they were published.
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
    """A target and what was measured; ``met`` is None where either is missing."""

    target: Target
    wanted: float | None
    ours: Measured | None
    met: bool | None


def names() -> list[str]:
    """Data sets whose targets ship."""
    return sorted(path.stem for path in _FOLDER.glob("*.csv"))


def load_targets(name: str) -> list[Target]:
    """Targets that ship, by name, or those of a CSV file.

    Raises
    ------
    OptionError
        There are none of this name, or a line of the file is not valid.
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
    """Look every target up.

    Raises
    ------
    OptionError
        The verification has no such model.
    """
    if model not in summary["conditions"]:
        raise OptionError(f"model {model!r}: not verified; name one of {', '.join(summary['conditions'])}")
    return [_checked(target, summary, model) for target in targets]


def markdown(checked: Sequence[Checked], model: str) -> str:
    """The targets as Markdown, a table for each section, and how many are met."""
    lines = []
    for section in dict.fromkeys(each.target.section for each in checked):
        lines += [f"## {section}", "", *_table([each for each in checked if each.target.section == section])]
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
    ours = measured(summary, model, target.measure, target.condition, target.of, _low_is_good(target))
    wanted = _wanted(target, summary)
    if ours is None or wanted is None:
        return Checked(target, wanted, ours, None)
    met = {
        "at least": ours.value >= wanted,
        "above": ours.value > wanted,
        "at most": ours.value <= wanted,
        "below": ours.value < wanted,
    }
    return Checked(target, wanted, ours, met[target.sense])


def _wanted(target: Target, summary: Summary) -> float | None:
    """The number, or the value of the model that is named."""
    try:
        return float(target.target)
    except ValueError:
        other, _, score = target.target.partition(":")
    found = measured(
        summary, other, target.measure, target.condition, score or target.of, _low_is_good(target)
    )
    return None if found is None else found.value


def _low_is_good(target: Target) -> bool:
    return target.sense in ("at most", "below")


def _table(checked: Sequence[Checked]) -> list[str]:
    models = [
        name for name in checked[0].target.published if any(each.target.published[name] for each in checked)
    ]
    heads = ["what", "of", *models, "source", "target", "ours", ""]
    return [_row(heads), _row(["---"] * len(heads)), *(_row(_cells(each, models)) for each in checked)]


def _cells(each: Checked, models: Sequence[str]) -> list[str]:
    target = each.target
    title = _TITLES.get(target.measure)
    named = target.what if title is None else f"{target.what}: {title}"
    wanted = f"{target.sense} {target.target}"
    if each.wanted is not None and not _is_number(target.target):
        wanted += f" ({_number(each.wanted)})"
    met = {True: "met", False: "**missed**", None: "not measured"}[each.met]
    published = [target.published[name] or numbers.MISSING for name in models]
    return [named, target.of.replace("_", " "), *published, target.source, wanted, _ours(each.ours), met]


def _ours(ours: Measured | None) -> str:
    if ours is None:
        return numbers.MISSING
    interval = "" if ours.low is None else f" [{_number(ours.low)}, {_number(ours.high)}]"
    return _number(ours.value) + interval + (f" ({ours.condition})" if ours.condition else "")


def _number(value: float) -> str:
    return f"{value:.3f}"


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
