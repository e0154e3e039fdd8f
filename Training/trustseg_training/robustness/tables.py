"""The records of a robustness test as tables: a row for each structure, and one for each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas

from trustseg_training.metrics.calibration_error import Reliability
from TrustSegLib.report.files import write_atomically

from . import parts

#: Calibration measures of `Reliability`.
CALIBRATION_MEASURES = ("ece", "brier", "nll")

_KEYS = ("model", "condition", "case", "patient")


@dataclass(frozen=True)
class Tables:
    """Everything that was measured.

    Attributes
    ----------
    structures : DataFrame
        A row for each model, condition, case and structure, with every measure of masks.
    cuts : DataFrame
        A row for each model, condition, case and mask of `metrics.union_and_cut`, which is its ``structure``.
    cases : DataFrame
        A row for each model, condition and case: scores, detection of wrong voxels, strength and time;
        ``dice`` is the mean over the structures.
    reliability : dict
        Sums near the structures of each (model, condition, case).
    skipped : list of dict
        ``model``, ``condition``, ``case``, ``patient`` and why the condition cannot be applied.
    """

    structures: pandas.DataFrame
    cases: pandas.DataFrame
    reliability: dict[tuple[str, str, str], Reliability]
    skipped: list[dict[str, str]]
    cuts: pandas.DataFrame = field(default_factory=lambda: pandas.DataFrame(columns=[*_KEYS, "structure"]))

    def write(self, folder: Path) -> None:
        """Write ``structures.csv``, ``union_and_cut.csv`` and ``cases.csv``, each whole or not at all.

        Raises
        ------
        OutputError
            The folder cannot be written.
        """
        for name, table in (
            ("structures", self.structures),
            ("union_and_cut", self.cuts),
            ("cases", self.cases),
        ):
            text = table.to_csv(index=False)
            write_atomically(folder / f"{name}.csv", text.encode("utf-8", errors="backslashreplace"))


def tables_of(measured: Sequence[parts.Part], output: Path) -> Tables:
    """Read all parts into tables.

    Raises
    ------
    OutputError
        A part is missing or cannot be read: the tables would silently lack it.
    """
    structures: list[dict[str, Any]] = []
    cuts: list[dict[str, Any]] = []
    cases: list[dict[str, Any]] = []
    sums: dict[tuple[str, str, str], Reliability] = {}
    skipped: list[dict[str, str]] = []
    for part in measured:
        for record in parts.records_of(part, output):
            header = dict(zip(_KEYS, (part.model, record["condition"], part.case, part.patient), strict=True))
            if "skipped" in record:
                skipped.append({**header, "reason": record["skipped"]})
                continue
            structures += [{**header, **row} for row in record["structures"]]
            for title, found in record["union_and_cut"].items():
                cuts.append({**header, "structure": title, **found})
            cases.append({**header, **_case_row(record)})
            sums[part.model, record["condition"], part.case] = Reliability(**record["reliability"])
    tables = Tables(pandas.DataFrame(structures), pandas.DataFrame(cases), sums, skipped)
    return replace(tables, cuts=pandas.DataFrame(cuts)) if cuts else tables


def selected(table: pandas.DataFrame, model: str, condition: str) -> pandas.DataFrame:
    """Rows of one model under one condition."""
    return table[(table["model"] == model) & (table["condition"] == condition)]


def patient_means(rows: pandas.DataFrame, column: str) -> pandas.Series:
    """Mean of a column over the rows of each patient, by patient; without patients that have no value."""
    return rows.assign(value=rows[column].astype(float)).groupby("patient")["value"].mean().dropna()


def _case_row(record: dict[str, Any]) -> dict[str, Any]:
    dice = [row["dice"] for row in record["structures"]]
    row = {"dice": sum(dice) / len(dice)}
    row |= {name: record[name] for name in ("snr_db", "strength", "seconds", "within_bound")}
    row |= {f"score_{name}": value for name, value in record["scores"].items()}
    row |= {f"{name}_variance": value for name, value in record["parts"].items()}
    for uncertainty, places in record["detection"].items():
        for place, measures in places.items():
            row |= {f"{uncertainty}_{place}_{name}": value for name, value in measures.items()}
    calibration = Reliability(**record["reliability"])
    return row | {name: getattr(calibration, name) for name in CALIBRATION_MEASURES}
