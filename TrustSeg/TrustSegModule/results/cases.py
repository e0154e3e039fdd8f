"""The cases of a batch as `cases.json` has them, the worst first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from TrustSegLib.contract import CASES_JSON_FILE, CASES_SCHEMA, REPORT_FILE, CaseRow
from TrustSegModule.scene.nodes import SceneError


@dataclass(frozen=True)
class BatchCase(CaseRow):
    """One image of a batch, with its name in the list, see `names_of`."""

    name: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it should be reviewed: the error, or the flags and warnings."""
        if self.error is not None:
            # The table has the file's name already.
            return (self.error.removeprefix(f"{self.image}: "),)
        return (*self.flags, *self.warnings)


def names_of(images: Sequence[str]) -> dict[str, str]:
    """Name each image of a batch by its path below the folder that holds them all.

    That is the file's name for files of one folder, and "patient1/CT" for series, whose folders may have the
    same name for every patient.
    """
    paths = {image: Path(image) for image in images}
    levels = zip(*(path.parent.parts for path in paths.values()), strict=False)
    shared = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
    return {image: Path(*path.parts[shared:]).as_posix() for image, path in paths.items()}


def named_cases(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[BatchCase]:
    """Return the cases of rows of `cases.json`, with the names that `names_of` gave their images."""
    return [BatchCase.from_json({**row, "name": names[row["image"]]}) for row in rows]


def read_cases(folder: Path) -> list[BatchCase]:
    """Return the cases of an earlier batch, the worst first; none where there was no batch.

    Raises
    ------
    SceneError
        The table is damaged.
    """
    path = folder / CASES_JSON_FILE
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"].partition("/")[0] != CASES_SCHEMA.partition("/")[0]:
            return []
        rows = content["cases"]
        return named_cases(rows, names_of([row["image"] for row in rows]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        message = _("{path}: cannot be read; start the batch again.")
        raise SceneError(message.format(path=path)) from error


def read_report(case: BatchCase) -> dict[str, Any]:
    """Read the report of a case from its folder.

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
