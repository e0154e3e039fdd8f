"""How far a result is luck: networks that differ in their seed only, taken together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trustseg_training.configuration import FitConfiguration
from trustseg_training.judging import EnsembleModel, Subject, check_alike
from TrustSegLib.errors import OptionError

Record = dict[str, Any]

_MASKS = ("dice", "hd95_mm")
_POOLED = ("failure_auroc", "aurc", "spearman")


def check_groups(groups: Mapping[str, Sequence[str]], models: Sequence[str]) -> None:
    """Refuse a group of unknown models, one that is named like a model, and a network that is in two places.

    Raises
    ------
    OptionError
        Naming the group and the model.
    """
    taken: dict[str, str] = {}
    for group, names in groups.items():
        if group in models:
            raise OptionError(f"seeds {group}: a model has this name; name the group otherwise")
        for name in names:
            if name not in models:
                raise OptionError(f"seeds {group}: no model is named {name}; use some of {', '.join(models)}")
            if name in taken:
                raise OptionError(f"seeds {group}: {name} is in {taken[name]} already; name it once")
            taken[name] = group


def check_trained_alike(groups: Mapping[str, Sequence[str]], subjects: Sequence[Subject]) -> None:
    """Refuse a group of runs that differ in more than their seed; of bundles and ensembles it is not known.

    Raises
    ------
    OptionError
        Naming the group, the run and the difference.
    """
    named = {subject.name: subject for subject in subjects}
    for group, names in groups.items():
        found = [named[name] for name in names]
        if any(each.run is None or isinstance(each.model, EnsembleModel) for each in found):
            continue
        runs = [each.run.run for each in found]
        try:
            check_alike(runs, [FitConfiguration.load(run) for run in runs])
        except OptionError as error:
            raise OptionError(f"seeds {group}: {error}") from error


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
        By group: ``models``; ``dice[condition][structure]``, ``hd95_mm[condition][structure]``,
        ``calibration[condition][measure]``, ``detection[condition][uncertainty][measure]`` and
        ``pool[score][measure]`` with ``mean``, ``low``, ``high`` and ``seeds``, the number of networks that
        have a value. What a network lacks, such as a condition, is left out.
    """
    return {group: _of_group(summary, list(names)) for group, names in groups.items()}


def _of_group(summary: Mapping[str, Any], names: list[str]) -> Record:
    conditions = [summary["conditions"][name] for name in names]
    masks = {
        measure: _joined(conditions, lambda found, measure=measure: _of_structures(found, measure))
        for measure in _MASKS
    }
    return {
        "models": names,
        **masks,
        "calibration": _joined(conditions, lambda found: _joined(_parts(found, "calibration"), _spread)),
        "detection": _joined(conditions, _detection),
        "pool": _joined([summary["pool"][name] for name in names], _ranking),
    }


def _joined(
    networks: Sequence[Mapping[str, Any]], join: Callable[[list[Mapping[str, Any]]], Record]
) -> dict[str, Record]:
    """What all networks have, key by key."""
    shared = [key for key in networks[0] if all(key in each for each in networks)]
    return {key: join([each[key] for each in networks]) for key in shared}


def _parts(networks: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [each.get(name, {}) for each in networks]


def _of_structures(networks: Sequence[Mapping[str, Any]], measure: str) -> dict[str, Record]:
    return _joined(
        _parts(networks, "structures"), lambda rows: _spread([each.get(measure) or {} for each in rows])
    )


def _detection(networks: Sequence[Mapping[str, Any]]) -> dict[str, Record]:
    return _joined(_parts(networks, "detection"), lambda measures: _joined(measures, _spread))


def _ranking(networks: Sequence[Mapping[str, Any]]) -> dict[str, Record]:
    return {measure: _spread([each.get(measure) or {} for each in networks]) for measure in _POOLED}


def _spread(found: Sequence[Mapping[str, Any]]) -> Record:
    values = [each.get("value") for each in found]
    known = [value for value in values if value is not None]
    if not known:
        return {"mean": None, "low": None, "high": None, "seeds": 0}
    return {"mean": float(np.mean(known)), "low": min(known), "high": max(known), "seeds": len(known)}
