"""CSV files that people keep: the list of a data set's images and of its split."""

from __future__ import annotations

import csv
from pathlib import Path

from TrustSegLib.errors import ImageError


def read_table(table: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV file with a header.

    Parameters
    ----------
    table : Path
        In UTF-8.
    columns : tuple of str
        That every row needs to have a value in.

    Returns
    -------
    list of dict
        At least one row, by column; values without surrounding spaces.

    Raises
    ------
    ImageError
        The file is missing, not CSV, empty, or lacks a column or a value.
    """
    if not table.is_file():
        raise ImageError(f"{table}: not found; list every image in it, with columns {' and '.join(columns)}")
    try:
        # utf-8-sig: spreadsheets write a byte order mark, which would become part of the first column's name.
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImageError(f"{table}: cannot be read ({error}); save it as CSV in UTF-8") from error
    if not rows or not set(columns) <= set(rows[0]):
        raise ImageError(f"{table}: needs the columns {' and '.join(columns)} and at least one row")
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise ImageError(f"{table}: line {number} has more values than the header has columns; fix it")
        empty = [column for column in columns if not row[column].strip()]
        if empty:
            raise ImageError(f"{table}: line {number} has no {empty[0]}; fill it in, or remove the line")
    return [{name: value.strip() for name, value in row.items()} for row in rows]


def write_table(table: Path, rows: list[dict[str, str]]) -> None:
    """Write rows of the same columns as CSV in UTF-8."""
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
