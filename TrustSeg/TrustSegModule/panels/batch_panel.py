"""The section "Batch": a folder of images, the progress, and its cases, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ctk
import qt
from slicer.i18n import tr as _

from TrustSegModule.jobs.batch import BatchProgress
from TrustSegModule.panels import table
from TrustSegModule.panels.controls import show_fraction
from TrustSegModule.panels.text import batch_text, number
from TrustSegModule.results.cases import BatchCase, read_cases
from TrustSegModule.scene.nodes import SceneError

NAME, QUALITY = range(2)
MAX_REASON_LENGTH = 120
"""Of a reason in a cell, in characters; the tool tip has all of it."""


class BatchPanel:
    """Drives the widgets of the section "Batch".

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    on_click : callable
        Called when the button is pressed: to start, or to stop.
    on_open : callable
        Called with the case that the user wants to see.
    """

    def __init__(self, ui, on_click: Callable[[], None], on_open: Callable[[BatchCase], None]) -> None:
        self._ui = ui
        self._edits = (ui.batchImagesEdit, ui.batchOutputEdit)
        self._running = self._stopping = False
        self._table = BatchTable(ui.batchTable, on_open, self._update_buttons)
        for edit in self._edits:
            edit.filters = ctk.ctkPathLineEdit.Dirs
        ui.batchButton.clicked.connect(lambda *_arguments: on_click())
        ui.batchOpenButton.clicked.connect(lambda *_arguments: self._table.open())
        ui.batchImagesEdit.currentPathChanged.connect(lambda *_arguments: self._update_buttons())
        ui.batchOutputEdit.currentPathChanged.connect(lambda *_arguments: self._on_output())
        self._on_output()

    @property
    def folders(self) -> tuple[Path, Path]:
        """Folder of the images, folder for the results."""
        return Path(self._ui.batchImagesEdit.currentPath), Path(self._ui.batchOutputEdit.currentPath)

    def show_running(self, running: bool) -> None:
        """Turn Start into Cancel and back, and lock what must not change in between."""
        self._running, self._stopping = running, False
        for edit in self._edits:
            edit.setEnabled(not running)
        self._ui.batchProgressBar.setVisible(running)
        show_fraction(self._ui.batchProgressBar, 0.0)
        if running:
            self.show_cases([])
        self._update_buttons()

    def show_progress(self, progress: BatchProgress) -> None:
        """Show the progress."""
        show_fraction(self._ui.batchProgressBar, progress.fraction)
        if not self._stopping:
            self.show_status(batch_text(progress))

    def show_cancelling(self) -> None:
        """Show that the run is being canceled, and disable the button."""
        self._stopping = True
        self._update_buttons()
        self.show_status(_("Stopping..."))

    def show_cases(self, cases: Sequence[BatchCase]) -> None:
        """List the cases, the worst first."""
        self._table.show(cases)
        self._ui.batchOpenButton.setVisible(bool(cases))
        self._update_buttons()

    def show_status(self, text: str) -> None:
        """Show a text below the button."""
        self._ui.batchLabel.setText(text)
        self._ui.batchLabel.setVisible(bool(text))

    def remember_folders(self) -> None:
        """Offer the folders again when Slicer is started the next time."""
        for edit in self._edits:
            edit.addCurrentPathToHistory()

    def _on_output(self) -> None:
        """List the cases of an earlier batch in the folder."""
        path = self._ui.batchOutputEdit.currentPath
        try:
            cases, status = (read_cases(Path(path)) if path else []), ""
        except SceneError as error:
            cases, status = [], str(error)
        self.show_cases(cases)
        self.show_status(status)

    def _update_buttons(self) -> None:
        ui, chosen = self._ui, self._table.chosen
        named = bool(ui.batchImagesEdit.currentPath and ui.batchOutputEdit.currentPath)
        ui.batchButton.setText(_("Cancel") if self._running else _("Start batch"))
        ui.batchButton.setEnabled(not self._stopping if self._running else named)
        ui.batchButton.setToolTip(
            _("Segment every image of the folder with the model and device chosen above.")
            if named
            else _("Choose a folder of images and one for the results first.")
        )
        openable = chosen is not None and chosen.folder is not None
        ui.batchOpenButton.setEnabled(openable and not self._running)


class BatchTable:
    """Drives the table of cases.

    Parameters
    ----------
    widget : QTableWidget
    on_open : callable
        Called with the case that the user wants to see.
    on_choice : callable
        Called when another row is chosen.
    """

    def __init__(self, widget, on_open: Callable[[BatchCase], None], on_choice: Callable[[], None]) -> None:
        self._table, self._on_open = widget, on_open
        self._cases: Sequence[BatchCase] = ()
        table.set_columns(widget, _titles())
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
        table.fit_height(self._table, table.MAX_ROWS)

    def open(self) -> None:
        """Open the chosen case; one that failed has nothing to open."""
        case = self.chosen
        if case is not None and case.folder is not None:
            self._on_open(case)

    def _show_row(self, line: int, case: BatchCase) -> None:
        text = "\n".join([case.name, *_shortened(case.reasons)])
        tip = "\n".join([case.image, *case.reasons])
        table.set_cell(self._table, line, NAME, text, tip, self._icon(case))
        if case.error is not None:
            table.set_cell(self._table, line, QUALITY, _("failed"), tip)
        else:
            table.set_cell(self._table, line, QUALITY, number(case.quality, 2), _quality_tip(case))

    def _icon(self, case: BatchCase):
        if not case.reasons:
            return None
        failed = case.error is not None
        kind = qt.QStyle.SP_MessageBoxCritical if failed else qt.QStyle.SP_MessageBoxWarning
        return self._table.style().standardIcon(kind)


def _shortened(reasons: Sequence[str]) -> list[str]:
    """Return the first reason, shortened, and the number of others."""
    if not reasons:
        return []
    first = reasons[0]
    if len(first) > MAX_REASON_LENGTH:
        first = f"{first[: MAX_REASON_LENGTH - 3]}..."
    if len(reasons) == 1:
        return [first]
    return [_("{reason} (and {count} more)").format(reason=first, count=len(reasons) - 1)]


def _quality_tip(case: BatchCase) -> str:
    if case.quality is not None:
        return _("Regions to review: {count}.").format(count=case.regions)
    if case.uncertainty is None:
        return _("No structure was found.")
    text = _("It has no expected DSC; sorted by its raw uncertainty, {value}.")
    return text.format(value=number(case.uncertainty, 3))


def _titles() -> list[tuple[str, str]]:
    """Title and tool tip of each column, in the order of the constants."""
    return [
        (_("Case"), _("Double-click one to open it. Failed cases first, then the lowest expected DSC.")),
        (_("Expected\nDSC"), _("Of its worst structure: overlap with an expert's mask, 0 to 1.")),
    ]
