"""Groups of networks against each other and against single models: luck of patients and of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas

from trustseg_training.measures.calibration_error import Reliability
from trustseg_training.measures.statistics import difference_over_seeds

from .cross_fitting import tempered
from .tables import Tables

Record = dict[str, Any]

#: Which uncertainty is to find the wrong voxels: that of the pictures.
UNCERTAINTY = "error_probability"

#: The columns of a measure, by model and patient.
_Columns = dict[str, dict[str, np.ndarray]]

_MISSING = {"value": None, "low": None, "high": None, "patients": 0}


def differences(tables: Tables, groups: Mapping[str, Sequence[str]]) -> list[Record]:
    """Every group less each later one, and less each model that is in no group.

    Those with a temperature (``+T``) are compared with each other, and so are those without.

    Parameters
    ----------
    tables : Tables
        Everything that was measured.
    groups : mapping of str to sequence of str
        Names of models, by the name of their group.

    Returns
    -------
    list of dict
        ``first`` and ``second``, what is compared; ``networks``, how many each of them has, so that with 1
        on a side its training is not drawn; ``conditions[condition]`` with
        ``structures[structure]["dice"]``, ``calibration["ece"]`` and
        ``detection["error_probability"]["auroc"]``, each with ``value``, ``low``, ``high`` and ``patients``:
        those who have a value of every network on both sides.
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
    """(name, networks) of both sides."""
    members = {name for names in groups.values() for name in names}
    several = [(group, list(names)) for group, names in groups.items()]
    single = [(model, [model]) for model in models if model not in members]
    for first, second in (*combinations(several, 2), *product(several, single)):
        if tempered(first[1]) == tempered(second[1]):
            yield first, second


def _read(tables: Tables, condition: str) -> Record:
    """Everything that is compared under one condition."""
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
    """Of the patients whom every network has a value of."""
    known = [set(columns.get(name, ())) for name in (*ours, *theirs)]
    patients = sorted(set.intersection(*known))
    if not patients:
        return dict(_MISSING)
    sides = (np.array([[columns[name][one] for one in patients] for name in side]) for side in (ours, theirs))
    return {**asdict(difference_over_seeds(*sides, **options)), "patients": len(patients)}


def _means(rows: pandas.DataFrame, measure: str) -> _Columns:
    """One column: a patient's mean over cases."""
    if measure not in rows:
        return {}
    values = rows.assign(value=rows[measure].astype(float)).groupby(["model", "patient"])["value"].mean()
    found: _Columns = {}
    for (model, patient), value in values.dropna().items():
        found.setdefault(model, {})[patient] = np.array([value])
    return found


def _gaps(cases: pandas.DataFrame, sums: Mapping[tuple[str, str, str], Reliability]) -> _Columns:
    """A patient's voxels, then by bin how many more of them are right than their confidence says."""
    found: _Columns = {}
    for model, condition, case, patient in cases[["model", "condition", "case", "patient"]].itertuples(
        index=False
    ):
        one = sums[model, condition, case]
        if one.voxels:
            gaps = np.subtract(one.correct, one.confidence_sums)
            of_model = found.setdefault(model, {})
            of_model[patient] = of_model.get(patient, 0) + np.array([one.voxels, *gaps])
    return found


def _ece(means: np.ndarray) -> np.ndarray:
    """`Reliability.ece` of the columns of `_gaps`: adding patients up or averaging them gives the same."""
    return np.abs(means[..., 1:]).sum(axis=-1) / means[..., 0]
