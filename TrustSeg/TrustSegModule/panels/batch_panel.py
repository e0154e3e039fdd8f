"""The section "Batch": a folder of images, how far it is, and its cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ctk
from slicer.i18n import tr as _

from TrustSegModule.batch import BatchProgress
from TrustSegModule.batch_cases import BatchCase, read_cases
from TrustSegModule.errors import SceneError
from TrustSegModule.panels.batch_table import BatchTable
from TrustSegModule.panels.progress_text import batch_text

PROGRESS_STEPS = 1000


class BatchPanel:
    """Drives the widgets of the section "Batch".

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    on_click : callable
        Called when the button is pressed: to start, or to stop.
    on_open : callable
        Called with the case that a person wants to see.
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
        self._ui.batchProgressBar.setValue(0)
        if running:
            self.show_cases([])
        self._update_buttons()

    def show_progress(self, progress: BatchProgress) -> None:
        """Show how far it is."""
        self._ui.batchProgressBar.setValue(round(PROGRESS_STEPS * progress.fraction))
        if not self._stopping:
            self.show_status(batch_text(progress))

    def show_cancelling(self) -> None:
        """The button has been pressed: a second press would change nothing."""
        self._stopping = True
        self._update_buttons()
        self.show_status(_("Stopping..."))

    def show_cases(self, cases: Sequence[BatchCase]) -> None:
        """List the cases, the worst first."""
        self._table.show(cases)
        self._ui.batchOpenButton.setVisible(bool(cases))
        self._update_buttons()

    def show_status(self, text: str) -> None:
        """Say something below the button."""
        self._ui.batchLabel.setText(text)
        self._ui.batchLabel.setVisible(bool(text))

    def remember_folders(self) -> None:
        """Offer the folders again when Slicer is started the next time."""
        for edit in self._edits:
            edit.addCurrentPathToHistory()

    def _on_output(self) -> None:
        """List what an earlier batch has left in the folder: it may have run over night."""
        path = self._ui.batchOutputEdit.currentPath
        try:
            cases, said = (read_cases(Path(path)) if path else []), ""
        except SceneError as error:
            cases, said = [], str(error)
        self.show_cases(cases)
        self.show_status(said)

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
