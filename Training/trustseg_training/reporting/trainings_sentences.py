"""What several trainings say, for a physician; each sentence comes from the summary's numbers by a rule.

- Trainings of one group differ most where the range of their mean Dice is widest.
- A comparison of Dice or ECE counts as higher or lower if its interval leaves 0 out; the others are what the
  luck of patients, and of training where there are several, can do by itself.
- With fewer than `FEW` trainings of a group the intervals are called too narrow. In a simulation (20
  patients; trainings scatter by .010 Dice, each by .015 from patient to patient) intervals of 95 % held the
  truth in 88 % of the cases with 2 trainings on each side, in 92 % with 3, in 95 % with 5, and in 70 % with 3
  against a single one.
"""

from __future__ import annotations

from collections.abc import Sequence

from trustseg_training.verification.cross_fitting import tempered

from . import numbers
from .measured_values import Measured
from .named_conditions import NamedCondition
from .numbers import count, listed
from .readings import Summary, structures_of
from .trainings import Pair, difference, groups_of, networks_of, reading, span

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
