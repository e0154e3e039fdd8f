"""The cases of a batch as `cases.json` has them, the worst first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import takewhile
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from TrustSegModule.scene.nodes import SceneError

CASES_FILE, REPORT_FILE = "cases.json", "report.json"
SCHEMA = "trustseg-cases/"


@dataclass(frozen=True)
class BatchCase:
    """One image of a batch; the fields are those of `TrustSegLib.report.batch_tables.CaseRow`.

    Attributes
    ----------
    image : str
        Its file, or the folder of its DICOM series.
    name : str
        What it is called in the list, see `names_of`.
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
    name: str
    folder: str | None = None
    quality: float | None = None
    uncertainty: float | None = None
    flags: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: int = 0
    error: str | None = None

    @classmethod
    def of_row(cls, row: dict[str, Any], name: str) -> BatchCase:
        """Take a row of `cases.json`; fields that are not known here are left out."""
        known = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        known["name"] = name
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a person should look at it: the error, or the flags and warnings."""
        if self.error is not None:
            # The table has the file's name already.
            return (self.error.removeprefix(f"{self.image}: "),)
        return (*self.flags, *self.warnings)


def names_of(images: Sequence[str]) -> dict[str, str]:
    """Name each image of a batch by its path below the folder that holds them all.

    That is the file's name where they are files of one folder, and "patient1/CT" where they are series: those
    of all patients may lie in folders of the same name.
    """
    paths = {image: Path(image) for image in images}
    levels = zip(*(path.parent.parts for path in paths.values()), strict=False)
    shared = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
    return {image: Path(*path.parts[shared:]).as_posix() for image, path in paths.items()}


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
        rows = content["cases"]
        names = names_of([row["image"] for row in rows])
        return [BatchCase.of_row(row, names[row["image"]]) for row in rows]
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
