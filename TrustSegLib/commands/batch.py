"""The end of a batch: which cases to look at first, on the screen and in tables beside the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from TrustSegLib.cases.table_files import TABLE_FILES
from TrustSegLib.commands.console import print_json
from TrustSegLib.report.batch_tables import SCHEMA, CaseRow, worst_first, write_batch_tables


class Batch:
    """Collects what became of each image.

    Parameters
    ----------
    folder : Path
        Where the tables go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cases: list[CaseRow] = []
        self._reports: list[Mapping[str, Any]] = []

    @property
    def failures(self) -> int:
        """Number of images without a result."""
        return sum(case.error is not None for case in self._cases)

    def add(self, report: Mapping[str, Any], folder: Path) -> None:
        """Take in a case that was segmented."""
        self._reports.append(report)
        self._cases.append(CaseRow.of_report(report, folder))

    def add_failure(self, image: Path, error: str) -> None:
        """Take in a case that failed."""
        self._cases.append(CaseRow(image=str(image), error=" ".join(error.splitlines())))

    def write(self) -> None:
        """Write the tables, `OutputError` if they cannot be; none of no case."""
        if self._cases:
            write_batch_tables(self._folder, self._cases, self._reports)

    def say(self, as_json: bool) -> None:
        """Print the cases, the one to look at first on top."""
        cases = worst_first(self._cases)
        if as_json:
            rows = [asdict(case) for case in cases]
            print_json({"schema": SCHEMA, "folder": str(self._folder), "cases": rows})
            return
        print(f"{len(cases)} images, {self.failures} failed; the one to look at first on top:")
        for number, case in enumerate(cases, start=1):
            print(f"  {number}. {case.image}: {_state(case)}")
        print(f"  tables in {self._folder}: {', '.join(TABLE_FILES)}", flush=True)


def _state(case: CaseRow) -> str:
    if case.error is not None:
        return f"FAILED: {case.error}"
    if case.quality is not None:
        known = f"expected DSC {case.quality:.2f}"
    elif case.uncertainty is not None:
        known = f"uncertainty {case.uncertainty:.3f}, not calibrated"
    else:
        known = "no structure found"
    return "; ".join([known, *case.flags, *case.warnings])
