"""Compare an image and its segmentation with the training images of a model, and describe differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from TrustSegLib.uncertainty.image_features import AXES, BORDER, FOUND, GROUPS, SIDES, Fact, Kind

UNLIKE = "unlike what this model was trained on"
MOST_SENTENCES = 3
_MOST_OF_A_GROUP = 2
_TINY = 1e-9  # instead of 0, which has no logarithm
_ALONG_AXES = ("spacing", "field of view")  # groups whose facts are one number for each axis


def differences(facts: Mapping[str, Fact], reference: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how an image differs from the training images, the worst first, one sentence per group.

    Parameters
    ----------
    facts : mapping of str to Fact
        From `input_facts`, `quality_facts` and `shape_facts`.
    reference : Mapping
        The part `input` of a `calibration.json`. Only features that both have are compared.

    Returns
    -------
    tuple of str
        At most `MOST_SENTENCES`; empty if nothing differs. Structures at the border of the image have their
        own, see `cut_off`.
    """
    ranges = reference["facts"]
    known = {name: fact for name, fact in facts.items() if name in ranges and fact.kind is not BORDER}
    found = {name: excess(fact.value, fact.kind, ranges[name]) for name, fact in known.items()}
    outside = sorted(
        (name for name in known if found[name] > 0), key=lambda n: GROUPS.index(known[n].kind.group)
    )
    groups = [list(names) for _, names in groupby(outside, key=lambda name: known[name].kind.group)]
    groups = [sorted(names, key=found.__getitem__, reverse=True) for names in groups]
    groups.sort(key=lambda names: found[names[0]], reverse=True)
    return tuple(_sentence(names, known, ranges) for names in groups[:MOST_SENTENCES])


def cut_off(facts: Mapping[str, Fact], reference: Mapping[str, Any], label: int) -> str | None:
    """Return why a structure may go on beyond the border of the image.

    Parameters
    ----------
    facts : mapping of str to Fact
        From `shape_facts`.
    reference : Mapping
        The part `input` of a `calibration.json`. Structures that reach the border in training, such as a
        spinal cord, may do so to the same extent.
    label : int
        Of the structure.

    Returns
    -------
    str or None
        A sentence without the structure's name; None if it ends within the image as in training.
    """
    ranges, reached = reference["facts"], []
    for side in (side for pair in SIDES for side in pair):
        name = f"structure_{label}_border_{side}"
        if name in facts and name in ranges:
            fact = facts[name]
            if excess(fact.value, fact.kind, ranges[name]) > 0:
                reached.append(f"{side}, {number(fact.value)} {fact.unit}")
    if not reached:
        return None
    return (
        f"reaches the image's border ({'; '.join(reached)}): the image may be cut through it; its volume is "
        "that of the visible part only"
    )


def excess(value: float, kind: Kind, limits: Mapping[str, Any]) -> float:
    """Return how far a value is outside of its range; 0 if it is inside.

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
        In widths of the range, to which the kind's tolerance is added: a range may be a single value.
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
    described = "; ".join(_described(facts[name], ranges[name]) for name in names[:_MOST_OF_A_GROUP])
    return f"{UNLIKE}: {described}"


def _along_axes(worst: str, facts: Mapping[str, Fact], ranges: Mapping[str, Any]) -> str:
    """Describe all three axes of a group that has one number for each."""
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
    """Range seen in training, where the file has it: the limits are wider, to allow for chance."""
    low, high = limits.get("seen", (limits["low"], limits["high"]))
    low, high = number(low), number(high)
    return low if low == high else f"{low} to {high}" if low.startswith("-") else f"{low}-{high}"


def number(value: float) -> str:
    """Format with two significant digits, or as a whole number from 10 on."""
    if value == 0 or abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.2g}"
