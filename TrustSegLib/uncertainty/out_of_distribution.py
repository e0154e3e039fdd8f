"""Say when an image, or what was found in it, is unlike what a model was trained on, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from TrustSegLib.uncertainty.image_features import AXES, FOUND, GROUPS, Fact, Kind

UNLIKE = "unlike what this model was trained on"
MOST_SENTENCES = 3
_MOST_OF_A_GROUP = 2
_TINY = 1e-9  # a limit of 0 is as good as none for a ratio
_ALONG_AXES = ("spacing", "field of view")  # groups whose facts are one number for each axis


def check(facts: Mapping[str, Fact], reference: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is unlike the training, the worst first, one sentence per group of facts.

    Parameters
    ----------
    facts : mapping of str to Fact
        Of `input_facts` and `shape_facts`.
    reference : Mapping
        The part `input` of a `calibration.json`. Facts that only one of the two has are not compared.

    Returns
    -------
    tuple of str
        At most `MOST_SENTENCES`; empty if nothing is unlike.
    """
    ranges = reference["facts"]
    known = {name: fact for name, fact in facts.items() if name in ranges}
    found = {name: excess(fact.value, fact.kind, ranges[name]) for name, fact in known.items()}
    outside = sorted(
        (name for name in known if found[name] > 0), key=lambda n: GROUPS.index(known[n].kind.group)
    )
    groups = [list(names) for _, names in groupby(outside, key=lambda name: known[name].kind.group)]
    groups = [sorted(names, key=found.__getitem__, reverse=True) for names in groups]
    groups.sort(key=lambda names: found[names[0]], reverse=True)
    return tuple(_sentence(names, known, ranges) for names in groups[:MOST_SENTENCES])


def excess(value: float, kind: Kind, limits: Mapping[str, Any]) -> float:
    """How far a value is outside of its range; 0 if it is inside.

    Parameters
    ----------
    value : float
        Of a fact.
    kind : Kind
        Of the fact.
    limits : Mapping
        `low` and `high`.

    Returns
    -------
    float
        In widths of the range widened by the kind's tolerance; so facts of one value only can be compared.
    """
    low, high, tolerance = limits["low"], limits["high"], kind.tolerance
    if kind.is_ratio:
        value, low, high, tolerance = (
            math.log(max(number, _TINY)) for number in (value, low, high, tolerance)
        )
    beyond = max(low - value, value - high, 0.0)
    return beyond / (high - low + tolerance) if beyond else 0.0


def _sentence(names: list[str], facts: Mapping[str, Fact], ranges: Mapping[str, Any]) -> str:
    group = facts[names[0]].kind.group
    if group in _ALONG_AXES:
        return f"{UNLIKE}: {_along_axes(names[0], facts, ranges)}"
    told = "; ".join(_described(facts[name], ranges[name]) for name in names[:_MOST_OF_A_GROUP])
    return f"{UNLIKE}: {told}"


def _along_axes(worst: str, facts: Mapping[str, Fact], ranges: Mapping[str, Any]) -> str:
    """All three axes: one number alone says little of a box."""
    fact = facts[worst]
    start = worst.removesuffix(fact.text)
    axes = [axis for axis in AXES if start + axis in facts]
    names = [start + axis for axis in axes]
    values = " x ".join(number(facts[name].value) for name in names)
    seen = " x ".join(_range(ranges[name]) for name in names)
    return f"{fact.kind.group} {values} {fact.unit} ({', '.join(axes)}), in training {seen} {fact.unit}"


def _described(fact: Fact, limits: Mapping[str, Any]) -> str:
    if fact.kind is FOUND:
        return f"no {fact.text}" if fact.value < limits["low"] else f"{fact.text}, in training never"
    hint = fact.kind.hints[fact.value > limits["high"]]
    unit, _, of = fact.unit.partition(" ")
    value = " ".join(filter(None, (number(fact.value), unit, of)))
    seen = " ".join(filter(None, (_range(limits), unit)))
    return f"{fact.text} {value}, in training {seen}" + (f" ({hint})" if hint else "")


def _range(limits: Mapping[str, Any]) -> str:
    """What was seen, where the file says it; the limits are wider, so that chance calls nothing unlike."""
    low, high = limits.get("seen", (limits["low"], limits["high"]))
    low, high = number(low), number(high)
    return low if low == high else f"{low} to {high}" if low.startswith("-") else f"{low}-{high}"


def number(value: float) -> str:
    """Two digits, or all those before the point."""
    if value == 0 or abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.2g}"
