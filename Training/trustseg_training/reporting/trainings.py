"""Several trainings of one method: what the summary says of groups that differ in their seed only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from TrustSegLib.errors import OptionError

from . import numbers
from .measured_values import POOL, Measured, measured
from .readings import Summary

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
