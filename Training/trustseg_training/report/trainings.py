"""Seed variation in the report: values of groups of trainings, their differences, and sentences on them.

- Trainings of one group differ most where the range of their mean Dice is widest.
- A comparison of Dice or ECE counts as higher or lower if its interval excludes 0; the others can be
  explained by the choice of patients and, where there are several trainings, by seed variation.
- With fewer than `FEW` trainings of a group the intervals are called too narrow. In a simulation (20
  patients; trainings vary by .010 Dice, each by .015 from patient to patient) 95 % intervals contained the
  truth in 88 % of the cases with 2 trainings on each side, in 92 % with 3, in 95 % with 5, and in 70 % with 3
  against a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trustseg_training import formatting
from trustseg_training.formatting import count, listed
from trustseg_training.robustness.models import temperature_scaled
from TrustSegLib.errors import OptionError

from .named_conditions import NamedCondition
from .readings import POOL, Reading, Summary, look_up, structures_of

Pair = Mapping[str, Any]
"""The difference of two groups or models: one entry of ``seed_differences``."""

#: With fewer trainings, intervals are too narrow.
FEW = 5

_SIDES = ("first", "second")


@dataclass(frozen=True)
class GroupValue:
    """A group's mean over its trainings and their range, or the value of a single model.

    Attributes
    ----------
    value : float
        The mean.
    low, high : float or None
        Of the lowest and the highest training; None for a single model.
    known, networks : int
        Number of trainings with a value, and of all trainings.
    """

    value: float
    low: float | None = None
    high: float | None = None
    known: int = 1
    networks: int = 1


def groups_of(summary: Summary) -> Mapping[str, Any]:
    """Groups by name; empty for a summary without groups."""
    return summary.get("seeds") or {}


def columns_of(summary: Summary, names: Sequence[str] | None = None) -> list[str]:
    """Columns of the tables: all groups, then the models outside the groups.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    names : sequence of str, optional
        Only these groups and models, in this order.

    Raises
    ------
    OptionError
        There is neither a group nor a model of this name.
    """
    groups = groups_of(summary)
    members = {name for group in groups.values() for name in group["models"]}
    known = [*groups, *(model for model in summary["conditions"] if model not in members)]
    for name in names or ():
        if name not in groups and name not in summary["conditions"]:
            raise OptionError(f"model {name!r}: not verified and no group; name some of {', '.join(known)}")
    return list(names or known)


def networks_of(summary: Summary, name: str) -> int:
    """Number of networks of a group; 1 for a model."""
    group = groups_of(summary).get(name)
    return 1 if group is None else len(group["models"])


def head(summary: Summary, name: str) -> str:
    """Head of a column: a group's name with its number of trainings, or a model's name."""
    if name not in groups_of(summary):
        return name
    return f"{name} ({formatting.count(networks_of(summary, name), 'training')})"


def reading(summary: Summary, name: str, measure: str, condition: str, of: str = "") -> GroupValue | None:
    """Look up one value of a group or a model; None if it was not measured.

    Parameters
    ----------
    summary, measure, condition, of
        As for `readings.look_up`, without `WORST`.
    name : str
        A group or a model.
    """
    group = groups_of(summary).get(name)
    if group is None:
        found = look_up(summary, name, measure, condition, of)
        return None if found is None else GroupValue(found.value)
    spread = _spread(group, measure, condition, of)
    if spread is None or spread["mean"] is None:
        return None
    return GroupValue(spread["mean"], spread["low"], spread["high"], spread["seeds"], len(group["models"]))


def pairs_of(summary: Summary, columns: Sequence[str]) -> list[Pair]:
    """Differences between the columns; none in a summary from before they were measured."""
    return [
        each
        for each in summary.get("seed_differences") or ()
        if each["first"] in columns and each["second"] in columns
    ]


def difference(pair: Pair, measure: str, condition: str, of: str = "") -> Reading | None:
    """First less second, with its 95 % interval."""
    return look_up({"conditions": {"": pair["conditions"]}, "pool": {}}, "", measure, condition, of)


def drawn(pair: Pair) -> str:
    """What was drawn with replacement for the intervals of a pair."""
    sides = zip((pair["first"], pair["second"]), pair["networks"], strict=True)
    several = [f"{count} trainings of {name}" for name, count in sides if count > 1]
    return listed(["patients", *several]) if several else "patients only"


def span(found: GroupValue | None, write: Callable[[float | None], str] = formatting.share) -> str:
    """``.842 to .861``, and how many trainings have a value if not all do; empty without a range."""
    if found is None or found.low is None:
        return ""
    some = "" if found.known == found.networks else f", {found.known} of {found.networks}"
    return f"{write(found.low)} to {write(found.high)}{some}"


def _spread(group: Mapping[str, Any], measure: str, condition: str, of: str) -> Mapping[str, Any] | None:
    """Of a group; a summary from before a measure was added lacks it."""
    if condition == POOL:
        return group["pool"].get(of, {}).get(measure)
    if measure in group:
        return group[measure].get(condition, {}).get(of)
    if not of:
        return group.get("calibration", {}).get(condition, {}).get(measure)
    return group.get("detection", {}).get(condition, {}).get(of, {}).get(measure)


def training_sentences(
    summary: Summary, conditions: Sequence[NamedCondition], columns: Sequence[str], pairs: Sequence[Pair]
) -> list[str]:
    """How much trainings of one method vary, and which differences exceed that.

    A temperature is no other training: the variation of groups with one is not repeated.
    """
    groups = groups_of(summary)
    trained = [name for name in columns if name in groups and not temperature_scaled(groups[name]["models"])]
    lines = [_largest_range(summary, conditions, name) for name in trained]
    lines += [_comparison(summary, conditions, pair) for pair in pairs]
    return [line for line in lines if line]


def interval_caution(summary: Summary, columns: Sequence[str]) -> str:
    """How reliable intervals from this number of trainings are."""
    several = {name: number for name in columns if (number := networks_of(summary, name)) > 1}
    alone = [name for name in columns if name not in several]
    parts = [f"{number} trainings of {name}" for name, number in several.items()]
    lines = [f"There are {listed(parts)}."] if parts else []
    if parts and min(several.values()) < FEW:
        lines.append(
            f"With fewer than {FEW}, seed variation is known only roughly, and intervals are too narrow "
            "rather than too wide."
        )
    if alone:
        verb = "are single models" if len(alone) > 1 else "is a single model"
        lines.append(f"{listed(alone)} {verb}, whose seed variation is in no interval.")
    return " ".join(lines)


def why_no_differences(summary: Summary, columns: Sequence[str]) -> str:
    """Why there are no differences to show."""
    if len(columns) < 2:
        return "There is no other group or model to compare with."
    if "seed_differences" not in summary:
        return "An earlier version did not measure the differences: verify again."
    return (
        "There are no differences between these: name a group, and another group or a model, both with a "
        "temperature or both without."
    )


def _largest_range(summary: Summary, conditions: Sequence[NamedCondition], name: str) -> str | None:
    """Where the trainings of a group differ most."""
    found = {
        (structure, each.title): reading(summary, name, "dice", each.key, structure)
        for structure in structures_of(summary)
        for each in conditions
    }
    known = {place: value for place, value in found.items() if value is not None}
    if not known or networks_of(summary, name) < 2:
        return None
    structure, condition = max(known, key=lambda place: known[place].high - known[place].low)
    return (
        f"{name} was trained {networks_of(summary, name)} times with different seeds and otherwise "
        f"identically. The trainings differ most for {structure}, {condition}: their mean Dice is "
        f"{span(known[structure, condition])}."
    )


def _comparison(summary: Summary, conditions: Sequence[NamedCondition], pair: Pair) -> str | None:
    """Which differences in Dice and in calibration exceed the variation of patients and seeds."""
    dice = [
        difference(pair, "dice", each.key, structure)
        for structure in structures_of(summary)
        for each in conditions
    ]
    error = [difference(pair, "ece", each.key) for each in conditions]
    counts = [
        _counted(pair, "Dice", dice),
        _counted(pair, "the calibration error (ECE, lower is better)", error),
    ]
    known = [text for text in counts if text]
    return f"{pair['first']} against {pair['second']}: {' '.join(known)}" if known else None


def _counted(pair: Pair, measure: str, found: Sequence[Reading | None]) -> str | None:
    """How many intervals of a measure's differences exclude 0."""
    known = [each for each in found if each is not None and each.low is not None]
    if not known:
        return None
    higher, lower = sum(each.low > 0 for each in known), sum(each.high < 0 for each in known)
    parts = [f"{text} in {number}" for text, number in (("higher", higher), ("lower", lower)) if number]
    if rest := len(known) - higher - lower:
        parts.append(f"in {rest} variation between {_drawn_sides(pair)} can explain the difference")
    mean = formatting.difference(sum(each.value for each in known) / len(known))
    return f"{count(len(known), 'comparison')} of {measure}: {'; '.join(parts)} (mean {mean})."


def _drawn_sides(pair: Pair) -> str:
    several = [pair[side] for side, number in zip(_SIDES, pair["networks"], strict=True) if number > 1]
    if len(several) == 1:
        return f"patients and trainings of {several[0]}"
    return "patients and trainings" if several else "patients"
