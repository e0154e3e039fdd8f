"""How far a result is luck: networks that differ in their seed only, taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from TrustSegLib.errors import OptionError

Record = dict[str, Any]

_POOLED = ("failure_auroc", "aurc", "spearman")


def check_groups(groups: Mapping[str, Sequence[str]], models: Sequence[str]) -> None:
    """Refuse a group of unknown models.

    Raises
    ------
    OptionError
        Naming the model.
    """
    for group, names in groups.items():
        for name in names:
            if name not in models:
                raise OptionError(f"seeds {group}: no model is named {name}; use some of {', '.join(models)}")


def over_seeds(summary: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Record]:
    """Mean, least and largest value over the networks of each group.

    Parameters
    ----------
    summary : mapping
        What `summary.summarize` says.
    groups : mapping of str to sequence of str
        Names of models, by the name of their group.

    Returns
    -------
    dict
        By group: ``models``; ``dice[condition][structure]`` and ``pool[score][measure]`` with ``mean``,
        ``low``, ``high`` and ``seeds``, the number of networks that have a value.
    """
    return {group: _of_group(summary, list(names)) for group, names in groups.items()}


def _of_group(summary: Mapping[str, Any], names: list[str]) -> Record:
    conditions = [summary["conditions"][name] for name in names]
    pools = [summary["pool"][name] for name in names]
    dice = {
        condition: {
            structure: _spread(
                [each[condition]["structures"][structure]["dice"]["value"] for each in conditions]
            )
            for structure in conditions[0][condition]["structures"]
            if all(structure in each[condition]["structures"] for each in conditions)
        }
        for condition in conditions[0]
    }
    shared = [score for score in pools[0] if all(score in pool for pool in pools)]
    pool = {
        score: {measure: _spread([each[score][measure]["value"] for each in pools]) for measure in _POOLED}
        for score in shared
    }
    return {"models": names, "dice": dice, "pool": pool}


def _spread(values: Sequence[float | None]) -> Record:
    known = [value for value in values if value is not None]
    if not known:
        return {"mean": None, "low": None, "high": None, "seeds": 0}
    return {"mean": float(np.mean(known)), "low": min(known), "high": max(known), "seeds": len(known)}
