"""The cases of a batch as `cases.json` has them, the worst first."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from TrustSegModule.errors import SceneError

CASES_FILE, REPORT_FILE = "cases.json", "report.json"
SCHEMA = "trustseg-cases/"


@dataclass(frozen=True)
class BatchCase:
    """One image of a batch; the fields are those of `TrustSegLib.report.batch_tables.CaseRow`.

    Attributes
    ----------
    image : str
        Its file.
    folder : str or None
        Where its results are; None when it failed.
    quality : float or None
        Expected DSC of its worst structure; None without a calibration.
    uncertainty : float or None
        What cases without a quality are sorted by.
    flags, warnings : tuple of str
        Structures to look at, and why; what is wrong with the image.
    regions : int
        Number of places to look at.
    error : str or None
        Why there is no result.
    """

    image: str
    folder: str | None = None
    quality: float | None = None
    uncertainty: float | None = None
    flags: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: int = 0
    error: str | None = None

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> BatchCase:
        """Take a row of `cases.json`; fields that are not known here are left out."""
        known = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        )

    @property
    def name(self) -> str:
        """Name of the file."""
        return Path(self.image).name

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a person should look at it: the error, or the flags and warnings."""
        if self.error is not None:
            # The table has the file's name already.
            return (self.error.removeprefix(f"{self.image}: "),)
        return (*self.flags, *self.warnings)


def read_cases(folder: Path) -> list[BatchCase]:
    """Return the cases of an earlier batch, the worst first; none where there was no batch.

    Raises
    ------
    SceneError
        The table is damaged.
    """
    path = folder / CASES_FILE
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not content["schema"].startswith(SCHEMA):
            return []
        return [BatchCase.of_row(row) for row in content["cases"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        message = _("{path}: cannot be read; start the batch again.")
        raise SceneError(message.format(path=path)) from error


def read_report(case: BatchCase) -> dict[str, Any]:
    """Return the report of a case as it lies in its folder now.

    Raises
    ------
    SceneError
        It has none that can be read.
    """
    if case.folder is None:
        raise SceneError(_("{name} has no results: {reason}").format(name=case.name, reason=case.reasons[0]))
    path = Path(case.folder) / REPORT_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = _("{path}: cannot be read; start the batch again.")
        raise SceneError(message.format(path=path)) from error
