"""Where the tables of a batch go: checked before the work."""

from __future__ import annotations

import json
from pathlib import Path

from TrustSegLib.errors import OutputError
from TrustSegLib.report.files import CASES_CSV_FILE, CASES_JSON_FILE, STRUCTURES_CSV_FILE

TABLE_FILES = (CASES_CSV_FILE, STRUCTURES_CSV_FILE, CASES_JSON_FILE)
OVERWRITE_REMEDY = "choose another output folder or give --overwrite"


def check_tables(folder: Path, overwrite: bool, remedy: str = OVERWRITE_REMEDY) -> None:
    """Make sure, before the work, that the tables of a batch can be put into `folder`.

    `remedy` are the words of the error.

    Raises
    ------
    OutputError
        A file with a table's name is there that no batch wrote, and `overwrite` is not set; or a folder is.
    """
    for name in TABLE_FILES:
        path = folder / name
        if path.is_dir():
            raise OutputError(f"{path}: is a folder where a table goes; choose another output folder")
        if path.exists() and not overwrite and not _is_ours(folder):
            raise OutputError(f"{path}: was not written by trustseg; {remedy}")


def _is_ours(folder: Path) -> bool:
    try:
        content = json.loads((folder / CASES_JSON_FILE).read_text(encoding="utf-8"))
        return content["schema"].startswith("trustseg-cases/")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False  # No table, or one of another program.
