"""CSV files that people keep: the list of a data set's images and of its split."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from TrustSegLib.errors import ImageError

#: Columns with a meaning in every table, whatever the case of their letters.
KNOWN = ("case", "image", "label", "patient", "split")

_CHANNEL = "image_"
_SEPARATORS = ",;\t"


def read_table(table: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV file with a header.

    Parameters
    ----------
    table : Path
        In UTF-8, with or without a byte order mark; separated by commas, semicolons or tabs.
    columns : tuple of str
        That every row needs to have a value in.

    Returns
    -------
    list of dict
        At least one row, by column; values without surrounding spaces, empty rows left out. Names of `KNOWN`
        columns and of ``image_CHANNEL`` may be capitalized.

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
            rows = _rows(stream.read())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImageError(f"{table}: cannot be read ({error}); save it as CSV in UTF-8") from error
    if not rows or not set(columns) <= set(rows[0][1]):
        raise ImageError(f"{table}: needs the columns {' and '.join(columns)} and at least one row")
    for number, row in rows:
        if None in row:
            raise ImageError(f"{table}: line {number} has more values than the header has columns; fix it")
        empty = [column for column in columns if not row[column].strip()]
        if empty:
            raise ImageError(f"{table}: line {number} has no {empty[0]}; fill it in, or remove the line")
    return [{name: value.strip() for name, value in row.items()} for _, row in rows]


def _rows(text: str) -> list[tuple[int, dict[str, str]]]:
    """Line number and values of every row that is not empty."""
    head = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=head.count)  # spreadsheets of many countries write semicolons
    reader = csv.DictReader(io.StringIO(text), restval="", delimiter=separator, skipinitialspace=True)
    if reader.fieldnames is None:
        return []
    names = [_column(name) for name in reader.fieldnames]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise csv.Error(f"two columns are named {twice!r}")
    reader.fieldnames = names
    rows = [(number, row) for number, row in enumerate(reader, start=2)]
    return [(number, row) for number, row in rows if None in row or any(map(str.strip, row.values()))]


def _column(name: str) -> str:
    """The name of a column without spaces and capitals; a channel keeps its own."""
    name = name.strip()
    if name.lower().startswith(_CHANNEL):
        return _CHANNEL + name[len(_CHANNEL) :]
    return name.lower() if name.lower() in KNOWN else name


def write_table(table: Path, rows: list[dict[str, str]]) -> None:
    """Write rows of the same columns as CSV in UTF-8."""
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
