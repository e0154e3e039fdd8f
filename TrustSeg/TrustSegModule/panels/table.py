"""Columns, cells, height and selection of the panel's tables."""

from __future__ import annotations

from collections.abc import Sequence

import qt

MAX_ROWS = 8
"""Of a list that can be long."""


def set_columns(table, titles: Sequence[tuple[str, str]], wide: int = 0) -> None:
    """Set the columns of a table: all as narrow as their contents, but one.

    Parameters
    ----------
    table : QTableWidget
    titles : sequence of (str, str)
        Title and tool tip of each column.
    wide : int
        The column that takes the room that is left.
    """
    table.setColumnCount(len(titles))
    set_titles(table, titles)
    header = table.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setSectionResizeMode(wide, qt.QHeaderView.Stretch)
    # Otherwise the titles turn bold, and so wider, with a selection.
    header.setHighlightSections(False)
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)


def set_titles(table, titles: Sequence[tuple[str, str]]) -> None:
    """Set title and tool tip of each column."""
    table.setHorizontalHeaderLabels([title for title, _tip in titles])
    for column, (_title, tip) in enumerate(titles):
        table.horizontalHeaderItem(column).setToolTip(tip)


def set_cell(table, row: int, column: int, text: str, tip: str = "", icon=None):
    """Set the text of a cell: aligned left in the first column, right in the others."""
    item = qt.QTableWidgetItem(text)
    item.setToolTip(tip)
    if column:
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    if icon is not None:
        item.setIcon(icon)
    table.setItem(row, column, item)


def fit_height(table, max_rows: int = 0) -> None:
    """Make a table as high as its rows, as the panel scrolls itself.

    Parameters
    ----------
    table : QTableWidget
    max_rows : int
        With more rows than this the table scrolls; 0 for no limit.
    """
    shown = min(table.rowCount, max_rows or table.rowCount)
    scrolls = shown < table.rowCount
    policy = qt.Qt.ScrollBarAlwaysOn if scrolls else qt.Qt.ScrollBarAlwaysOff
    table.setVerticalScrollBarPolicy(policy)
    table.resizeRowsToContents()
    rows = sum(table.rowHeight(row) for row in range(shown))
    table.setFixedHeight(rows + table.horizontalHeader().sizeHint.height() + 2 * table.frameWidth)


def selected_row(table) -> int | None:
    """Return the row that the user has chosen; None where there is none."""
    return next((index.row() for index in table.selectionModel().selectedRows()), None)


def select_quietly(table, row: int | None) -> None:
    """Select a row, or none, without a signal."""
    blocked = table.blockSignals(True)
    table.clearSelection()
    if row is not None:
        table.selectRow(row)
    table.blockSignals(blocked)
