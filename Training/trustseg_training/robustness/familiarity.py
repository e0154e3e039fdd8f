"""Results under corruptions that a model has met before, apart from those that it has not.

A temperature that was fitted on noise is good under noise; a network that was trained with noise has a good
Dice under it. What either has not met tells more, and is therefore given apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trustseg_training.corruptions import CLEAN
from trustseg_training.evaluation import Seen, family_of


@dataclass(frozen=True)
class Group:
    """Conditions of one kind: the worst ECE with its condition, and the mean Dice over all and structures.

    Attributes
    ----------
    conditions : tuple of str
        Those that were measured.
    ece : float or None
        The largest; None without a condition.
    worst : str
        Its condition.
    dice : float or None
        Mean; None where a structure has none.
    """

    conditions: tuple[str, ...]
    ece: float | None
    worst: str
    dice: float | None


@dataclass(frozen=True)
class Familiarity:
    """Groups of a model's conditions, of noise and artifacts alone: attacks are left out.

    ``fit`` and ``training`` hold a group for what they have met and one for what they have not; ``neither``
    is what both have not. ``training`` and ``neither`` are None if it is not known what the training has met.
    """

    seen: Seen
    clean: Group
    fit: tuple[Group, Group]
    training: tuple[Group, Group] | None
    neither: Group | None


def familiarity(summary: Mapping[str, Any], model: str) -> Familiarity | None:
    """Group the results of a model; None for summaries that do not say what it has met.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    model : str
        Its name there.
    """
    if model not in summary.get("seen", {}):
        return None
    seen = Seen(**summary["seen"][model])
    results = summary["conditions"][model]

    def group(chosen: Callable[[str], bool]) -> Group:
        families = {key: family_of(key) for key in results}
        return _group({key: results[key] for key, family in families.items() if family and chosen(family)})

    fitted = seen.fitted_families
    fit = group(lambda family: family in fitted), group(lambda family: family not in fitted)
    clean = _group({CLEAN: results[CLEAN]})
    if seen.training is None:
        return Familiarity(seen, clean, fit, None, None)
    touched = set(seen.training)
    training = group(lambda family: family in touched), group(lambda family: family not in touched)
    return Familiarity(seen, clean, fit, training, group(lambda family: family not in fitted | touched))


def _group(results: Mapping[str, Any]) -> Group:
    errors = {key: found["calibration"]["ece"]["value"] for key, found in results.items()}
    errors = {key: value for key, value in errors.items() if value is not None}
    worst = max(errors, key=errors.get) if errors else ""
    dice = [row["dice"]["value"] for found in results.values() for row in found["structures"].values()]
    known = bool(dice) and None not in dice
    return Group(tuple(results), errors.get(worst), worst, float(np.mean(dice)) if known else None)
