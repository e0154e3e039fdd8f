"""Several trainings of one method: their numbers in the summary, and what they say in sentences.

- Trainings of one group differ most where the range of their mean Dice is widest.
- A comparison of Dice or ECE counts as higher or lower if its interval leaves 0 out; the others are what the
  choice of patients, and of training where there are several, can do by itself.
- With fewer than `FEW` trainings of a group the intervals are called too narrow. In a simulation (20
  patients; trainings scatter by .010 Dice, each by .015 from patient to patient) intervals of 95 % held the
  truth in 88 % of the cases with 2 trainings on each side, in 92 % with 3, in 95 % with 5, and in 70 % with 3
  against a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trustseg_training.robustness.models import tempered
from TrustSegLib.errors import OptionError

from . import numbers
from .named_conditions import NamedCondition
from .numbers import count, listed
from .readings import POOL, Measured, Summary, measured, structures_of

#: What a verification says of a pair: one entry of ``seed_differences``.
Pair = Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """A group's mean over its trainings and their range, or the value of a single model.

    Attributes
    ----------
    value : float
        The mean.
    low, high : float or None
        Of the lowest and the highest training; None for a single model.
    known, networks : int
        How many trainings have a value, and how many there are.
    """

    value: float
    low: float | None = None
    high: float | None = None
    known: int = 1
    networks: int = 1


def groups_of(summary: Summary) -> Mapping[str, Any]:
    """Every group by its name; none in a summary without."""
    return summary.get("seeds") or {}


def columns_of(summary: Summary, names: Sequence[str] | None = None) -> list[str]:
    """What is shown side by side: all groups, then the models that are in none.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    names : sequence of str, optional
        Only these, in this order: groups and models.

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
    """How many networks a group has; 1 for a model."""
    group = groups_of(summary).get(name)
    return 1 if group is None else len(group["models"])


def head(summary: Summary, name: str) -> str:
    """A group's name with its number of trainings; a model's name."""
    if name not in groups_of(summary):
        return name
    return f"{name} ({numbers.count(networks_of(summary, name), 'training')})"


def reading(summary: Summary, name: str, measure: str, condition: str, of: str = "") -> Trained | None:
    """Look one number of a group or a model up; None if it was not measured.

    Parameters
    ----------
    summary, measure, condition, of
        As `measured_values.measured` takes them; no ``worst`` condition.
    name : str
        A group or a model.
    """
    group = groups_of(summary).get(name)
    if group is None:
        found = measured(summary, name, measure, condition, of)
        return None if found is None else Trained(found.value)
    spread = _spread(group, measure, condition, of)
    if spread is None or spread["mean"] is None:
        return None
    return Trained(spread["mean"], spread["low"], spread["high"], spread["seeds"], len(group["models"]))


def pairs_of(summary: Summary, columns: Sequence[str]) -> list[Pair]:
    """Comparisons of what is shown; none in a summary that is older than they are."""
    return [
        each
        for each in summary.get("seed_differences") or ()
        if each["first"] in columns and each["second"] in columns
    ]


def difference(pair: Pair, measure: str, condition: str, of: str = "") -> Measured | None:
    """First less second with its 95 % interval."""
    return measured({"conditions": {"": pair["conditions"]}, "pool": {}}, "", measure, condition, of)


def drawn(pair: Pair) -> str:
    """Whose luck is in the intervals of a pair."""
    sides = zip((pair["first"], pair["second"]), pair["networks"], strict=True)
    several = [f"{count} trainings of {name}" for name, count in sides if count > 1]
    return numbers.listed(["patients", *several]) if several else "patients only"


def span(found: Trained | None, write: Callable[[float | None], str] = numbers.share) -> str:
    """``.842 to .861``, and how many trainings have a value if not all do; nothing without a range."""
    if found is None or found.low is None:
        return ""
    some = "" if found.known == found.networks else f", {found.known} of {found.networks}"
    return f"{write(found.low)} to {write(found.high)}{some}"


def _spread(group: Mapping[str, Any], measure: str, condition: str, of: str) -> Mapping[str, Any] | None:
    """A summary that is older than a measure of groups lacks it."""
    if condition == POOL:
        return group["pool"].get(of, {}).get(measure)
    if measure in group:
        return group[measure].get(condition, {}).get(of)
    if not of:
        return group.get("calibration", {}).get(condition, {}).get(measure)
    return group.get("detection", {}).get(condition, {}).get(of, {}).get(measure)


FEW = 5
_SIDES = ("first", "second")


def training_sentences(
    summary: Summary, conditions: Sequence[NamedCondition], columns: Sequence[str], pairs: Sequence[Pair]
) -> list[str]:
    """How far trainings of one method lie apart, and which differences are more than that.

    A temperature is no other training: groups with one are compared only.
    """
    groups = groups_of(summary)
    trained = [name for name in columns if name in groups and not tempered(groups[name]["models"])]
    lines = [_apart(summary, conditions, name) for name in trained]
    lines += [_against(summary, conditions, pair) for pair in pairs]
    return [line for line in lines if line]


def rough(summary: Summary, columns: Sequence[str]) -> str:
    """How far intervals from so many trainings can be relied on."""
    several = {name: number for name in columns if (number := networks_of(summary, name)) > 1}
    alone = [name for name in columns if name not in several]
    parts = [f"{number} trainings of {name}" for name, number in several.items()]
    lines = [f"There are {listed(parts)}."] if parts else []
    if parts and min(several.values()) < FEW:
        lines.append(
            f"With fewer than {FEW}, the luck of training is known roughly only, and intervals come out too "
            "narrow rather than too wide."
        )
    if alone:
        verb = "are single models" if len(alone) > 1 else "is a single model"
        lines.append(f"{listed(alone)} {verb}, whose luck of training is in no interval.")
    return " ".join(lines)


def uncompared(summary: Summary, columns: Sequence[str]) -> str:
    """Why there is no difference to show."""
    if len(columns) < 2:
        return "There is no other group or model to compare with."
    if "seed_differences" not in summary:
        return "The differences were not measured, by an earlier version: verify again."
    return (
        "There are no differences of these: name a group, and another group or a model, both with a "
        "temperature or both without."
    )


def _apart(summary: Summary, conditions: Sequence[NamedCondition], name: str) -> str | None:
    """Where trainings of a group differ most."""
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
        f"{name} was trained {networks_of(summary, name)} times with other random numbers and nothing else "
        f"changed. The trainings lie farthest apart for {structure}, {condition}: their mean Dice is "
        f"{span(known[structure, condition])}."
    )


def _against(summary: Summary, conditions: Sequence[NamedCondition], pair: Pair) -> str | None:
    """Which differences in Dice and in calibration are more than luck."""
    dice = [
        difference(pair, "dice", each.key, structure)
        for structure in structures_of(summary)
        for each in conditions
    ]
    error = [difference(pair, "ece", each.key) for each in conditions]
    told = [
        _counted(pair, "Dice", dice),
        _counted(pair, "the calibration error (ECE, lower is better)", error),
    ]
    known = [text for text in told if text]
    return f"{pair['first']} against {pair['second']}: {' '.join(known)}" if known else None


def _counted(pair: Pair, measure: str, found: Sequence[Measured | None]) -> str | None:
    """How many differences of a measure leave 0 out."""
    known = [each for each in found if each is not None and each.low is not None]
    if not known:
        return None
    higher, lower = sum(each.low > 0 for each in known), sum(each.high < 0 for each in known)
    told = [f"{text} in {number}" for text, number in (("higher", higher), ("lower", lower)) if number]
    if rest := len(known) - higher - lower:
        told.append(f"in {rest} luck of {_whose(pair)} can explain the difference")
    mean = numbers.difference(sum(each.value for each in known) / len(known))
    return f"{count(len(known), 'comparison')} of {measure}: {'; '.join(told)} (mean {mean})."


def _whose(pair: Pair) -> str:
    several = [pair[side] for side, number in zip(_SIDES, pair["networks"], strict=True) if number > 1]
    if len(several) == 1:
        return f"patients and of the training of {several[0]}"
    return "patients and training" if several else "patients"
