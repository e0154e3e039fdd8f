"""Which images could not have which conditions, and why."""

from __future__ import annotations

from collections.abc import Sequence

from trustseg_training.verification.tables import Tables

from .named_conditions import NamedCondition
from .numbers import count


def skipped_lines(tables: Tables, conditions: Sequence[NamedCondition]) -> list[str]:
    """One line for each condition that was not measured on every image, with the first image's reason."""
    found: dict[str, dict[str, str]] = {}
    for each in tables.skipped:
        found.setdefault(each["condition"], {}).setdefault(each["case"], each["reason"])
    return [
        f"{each.title}: not measured on {count(len(found[each.key]), 'image')}"
        f" ({next(iter(found[each.key]))}: {next(iter(found[each.key].values()))})"
        for each in conditions
        if each.key in found
    ]
