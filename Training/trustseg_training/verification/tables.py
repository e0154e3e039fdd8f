"""The records of a verification as tables, one row per structure and one per case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from trustseg_training.measures.calibration_error import Reliability
from TrustSegLib.errors import OutputError

from . import parts

_OF = ("model", "condition", "case", "patient")


@dataclass(frozen=True)
class Tables:
    """Everything that was measured.

    Attributes
    ----------
    structures : DataFrame
        A row for each model, condition, case and structure, with every measure of masks.
    cases : DataFrame
        A row for each model, condition and case: scores, detection of wrong voxels, strength and time;
        ``dice`` is the mean over the structures.
    reliability : dict
        Sums near the structures of each (model, condition, case).
    skipped : list of dict
        ``model``, ``condition``, ``case``, ``patient`` and why the image cannot have the condition.
    """

    structures: pandas.DataFrame
    cases: pandas.DataFrame
    reliability: dict[tuple[str, str, str], Reliability]
    skipped: list[dict[str, str]]

    def write(self, folder: Path) -> None:
        """Write ``structures.csv`` and ``cases.csv``, the latter with the sums of `Reliability`.

        Raises
        ------
        OutputError
            The folder cannot be written.
        """
        try:
            self.structures.to_csv(folder / "structures.csv", index=False)
            self.cases.to_csv(folder / "cases.csv", index=False)
        except OSError as error:
            message = f"{folder}: cannot be written ({error.strerror}); make room, then go on"
            raise OutputError(message) from error


def tables_of(measured: Sequence[parts.Part], output: Path) -> Tables:
    """Read the parts that are there."""
    structures: list[dict[str, Any]] = []
    cases: list[dict[str, Any]] = []
    sums: dict[tuple[str, str, str], Reliability] = {}
    skipped: list[dict[str, str]] = []
    for part in measured:
        found = parts.read(part, output)
        for record in (found or {"records": []})["records"]:
            header = dict(zip(_OF, (part.model, record["condition"], part.case, part.patient), strict=True))
            if "skipped" in record:
                skipped.append({**header, "reason": record["skipped"]})
                continue
            structures += [{**header, **row} for row in record["structures"]]
            cases.append({**header, **_case_row(record)})
            sums[part.model, record["condition"], part.case] = Reliability(**record["reliability"])
    return Tables(pandas.DataFrame(structures), pandas.DataFrame(cases), sums, skipped)


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
    return row | {name: getattr(calibration, name) for name in ("ece", "brier", "nll")}
