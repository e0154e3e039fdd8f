"""The list of a batch's cases, the one to look at first on top."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
from slicer.i18n import tr as _

from TrustSegModule.batch_cases import BatchCase
from TrustSegModule.panels import table
from TrustSegModule.panels.numbers import number

NAME, QUALITY = range(2)
MOST_ROWS = 8
MOST_LETTERS = 120
"""Of a reason in a cell; the tool tip has all of it."""


class BatchTable:
    """Drives the table of cases.

    Parameters
    ----------
    widget : QTableWidget
    on_open : callable
        Called with the case that a person wants to see.
    on_choice : callable
        Called when another row is chosen.
    """

    def __init__(self, widget, on_open: Callable[[BatchCase], None], on_choice: Callable[[], None]) -> None:
        self._table, self._on_open = widget, on_open
        self._cases: Sequence[BatchCase] = ()
        table.prepare(widget, _titles())
        widget.itemSelectionChanged.connect(on_choice)
        widget.itemDoubleClicked.connect(lambda *_arguments: self.open())

    @property
    def chosen(self) -> BatchCase | None:
        """The case of the chosen row."""
        row = table.selected_row(self._table)
        return None if row is None else self._cases[row]

    def show(self, cases: Sequence[BatchCase]) -> None:
        """Fill the table; the chosen case stays chosen, wherever its row is now."""
        chosen, self._cases = self.chosen, cases
        blocked = self._table.blockSignals(True)
        self._table.setRowCount(len(cases))
        for line, case in enumerate(cases):
            self._show_row(line, case)
        self._table.blockSignals(blocked)
        images = [case.image for case in cases]
        again = images.index(chosen.image) if chosen is not None and chosen.image in images else None
        table.select_quietly(self._table, again)
        self._table.setVisible(bool(cases))
        table.fit_height(self._table, MOST_ROWS)

    def open(self) -> None:
        """Open the chosen case; one that failed has nothing to open."""
        case = self.chosen
        if case is not None and case.folder is not None:
            self._on_open(case)

    def _show_row(self, line: int, case: BatchCase) -> None:
        text = "\n".join([case.name, *_short(case.reasons)])
        tip = "\n".join([case.image, *case.reasons])
        table.put(self._table, line, NAME, text, tip, self._icon(case))
        if case.error is not None:
            table.put(self._table, line, QUALITY, _("failed"), tip)
        else:
            table.put(self._table, line, QUALITY, number(case.quality, 2), _known(case))

    def _icon(self, case: BatchCase):
        if not case.reasons:
            return None
        failed = case.error is not None
        kind = qt.QStyle.SP_MessageBoxCritical if failed else qt.QStyle.SP_MessageBoxWarning
        return self._table.style().standardIcon(kind)


def _short(reasons: Sequence[str]) -> list[str]:
    """Return the first reason, cut, and how many more there are."""
    if not reasons:
        return []
    first = reasons[0] if len(reasons[0]) <= MOST_LETTERS else f"{reasons[0][: MOST_LETTERS - 3]}..."
    if len(reasons) == 1:
        return [first]
    return [_("{reason} (and {count} more)").format(reason=first, count=len(reasons) - 1)]


def _known(case: BatchCase) -> str:
    if case.quality is not None:
        return _("Regions to look at: {count}.").format(count=case.regions)
    if case.uncertainty is None:
        return _("No structure was found.")
    text = _("The model is not calibrated; sorted by its uncertainty, {value}.")
    return text.format(value=number(case.uncertainty, 3))


def _titles() -> list[tuple[str, str]]:
    """Title and tool tip of each column, in the order of the constants."""
    return [
        (_("Case"), _("Double-click one to open it. Failed cases first, then the lowest expected DSC.")),
        (_("Expected\nDSC"), _("Of its worst structure: overlap with an expert's mask, 0 to 1.")),
    ]
