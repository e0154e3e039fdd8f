"""Seed variation: groups of networks that differ only in their seed, and their differences.

A group has means and ranges over its networks; a difference between groups, or of a group from a single
model, has an interval for the choice of patients and for seed variation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas

from trustseg_training.config import FitConfiguration
from trustseg_training.evaluation import EnsembleModel, EvaluatedModel, check_alike
from trustseg_training.metrics.calibration_error import Reliability, expected_calibration_error
from trustseg_training.metrics.statistics import difference_over_seeds
from TrustSegLib.contract import DEFAULT_MAP
from TrustSegLib.errors import OptionError

from .assessment import Record
from .models import temperature_scaled
from .summary import RANKING_MEASURES
from .tables import Tables, patient_means

#: The uncertainty that is to detect wrong voxels.
UNCERTAINTY = DEFAULT_MAP

_MASKS = ("dice", "hd95_mm")
_MISSING = {"value": None, "low": None, "high": None, "patients": 0}

_Columns = dict[str, dict[str, np.ndarray]]
"""The columns of a measure, by model and patient."""


def check_groups(groups: Mapping[str, Sequence[str]], models: Sequence[str]) -> None:
    """Refuse a group of unknown models, one with the name of a model, and a network in two groups.

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


def check_trained_alike(groups: Mapping[str, Sequence[str]], models: Sequence[EvaluatedModel]) -> None:
    """Refuse a group of runs that differ in more than their seed; for bundles and ensembles it is unknown.

    Raises
    ------
    OptionError
        Naming the group, the run and the difference.
    """
    named = {evaluated.name: evaluated for evaluated in models}
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
    """Mean, smallest and largest value over the networks of each group.

    Parameters
    ----------
    summary : mapping
        Result of `summary.summarize`.
    groups : mapping of str to sequence of str
        Names of models, by the name of their group.

    Returns
    -------
    dict
        By group: ``models``; ``dice[condition][structure]``, ``hd95_mm[condition][structure]``,
        ``calibration[condition][measure]``, ``detection[condition][uncertainty][measure]`` and
        ``pool[score][measure]`` with ``mean``, ``low``, ``high`` and ``seeds``, the number of networks that
        have a value. What some network lacks, such as a condition, is left out.
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
    """Join what all networks have, key by key."""
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
    return {measure: _spread([each.get(measure) or {} for each in networks]) for measure in RANKING_MEASURES}


def _spread(found: Sequence[Mapping[str, Any]]) -> Record:
    values = [each.get("value") for each in found]
    known = [value for value in values if value is not None]
    if not known:
        return {"mean": None, "low": None, "high": None, "seeds": 0}
    return {"mean": float(np.mean(known)), "low": min(known), "high": max(known), "seeds": len(known)}


def differences(tables: Tables, groups: Mapping[str, Sequence[str]]) -> list[Record]:
    """Each group less each later one, and less each model outside the groups.

    Models with a temperature (``+T``) are compared only with each other, and so are those without.

    Parameters
    ----------
    tables : Tables
        Everything that was measured.
    groups : mapping of str to sequence of str
        Names of models, by the name of their group.

    Returns
    -------
    list of dict
        ``first`` and ``second``, what is compared; ``networks``, how many each of them has: with 1 on a side
        the interval lacks its seed variation; ``conditions[condition]`` with
        ``structures[structure]["dice"]``, ``calibration["ece"]`` and
        ``detection["error_probability"]["auroc"]``, each with ``value``, ``low``, ``high`` and ``patients``:
        those who have a value for every network on both sides.
    """
    if not groups:
        return []
    pairs = list(_pairs(list(dict.fromkeys(tables.cases["model"])), groups))
    read = {condition: _read(tables, condition) for condition in dict.fromkeys(tables.cases["condition"])}
    return [
        {
            "first": first,
            "second": second,
            "networks": [len(ours), len(theirs)],
            "conditions": {key: _compared(found, ours, theirs) for key, found in read.items()},
        }
        for (first, ours), (second, theirs) in pairs
    ]


def _pairs(
    models: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> Iterator[tuple[tuple[str, list[str]], tuple[str, list[str]]]]:
    """Name and networks of both sides of each difference."""
    members = {name for names in groups.values() for name in names}
    several = [(group, list(names)) for group, names in groups.items()]
    single = [(model, [model]) for model in models if model not in members]
    for first, second in (*combinations(several, 2), *product(several, single)):
        if temperature_scaled(first[1]) == temperature_scaled(second[1]):
            yield first, second


def _read(tables: Tables, condition: str) -> Record:
    """All values that are compared under one condition."""
    rows = tables.structures[tables.structures["condition"] == condition]
    cases = tables.cases[tables.cases["condition"] == condition]
    return {
        "dice": {str(name): _means(part, "dice") for name, part in rows.groupby("structure", sort=False)},
        "ece": _gaps(cases, tables.reliability),
        "auroc": _means(cases, f"{UNCERTAINTY}_near_auroc"),
    }


def _compared(found: Record, ours: list[str], theirs: list[str]) -> Record:
    return {
        "structures": {
            name: {"dice": _difference(means, ours, theirs)} for name, means in found["dice"].items()
        },
        "calibration": {"ece": _difference(found["ece"], ours, theirs, statistic=_ece)},
        "detection": {UNCERTAINTY: {"auroc": _difference(found["auroc"], ours, theirs)}},
    }


def _difference(columns: _Columns, ours: list[str], theirs: list[str], **options) -> Record:
    """Difference over the patients for whom every network has a value."""
    known = [set(columns.get(name, ())) for name in (*ours, *theirs)]
    patients = sorted(set.intersection(*known))
    if not patients:
        return dict(_MISSING)
    sides = (np.array([[columns[name][one] for one in patients] for name in side]) for side in (ours, theirs))
    return {**asdict(difference_over_seeds(*sides, **options)), "patients": len(patients)}


def _means(rows: pandas.DataFrame, measure: str) -> _Columns:
    """One column: each patient's mean over cases."""
    if measure not in rows:
        return {}
    return {
        model: {patient: np.array([value]) for patient, value in patient_means(part, measure).items()}
        for model, part in rows.groupby("model")
    }


def _gaps(cases: pandas.DataFrame, sums: Mapping[tuple[str, str, str], Reliability]) -> _Columns:
    """A patient's voxels, then by bin the correct ones less the sum of their confidences."""
    found: _Columns = {}
    for model, condition, case, patient in cases[["model", "condition", "case", "patient"]].itertuples(
        index=False
    ):
        one = sums[model, condition, case]
        if one.voxels:
            of_model = found.setdefault(model, {})
            of_model[patient] = of_model.get(patient, 0) + np.array([one.voxels, *one.gaps])
    return found


def _ece(means: np.ndarray) -> np.ndarray:
    """ECE of the columns of `_gaps`; sums and means over patients give the same."""
    return expected_calibration_error(means[..., 1:], means[..., 0])
