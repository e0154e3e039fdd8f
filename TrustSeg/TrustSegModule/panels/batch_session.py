"""Controls a batch from the click on Start batch to the list of its cases, polled by a timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from TrustSegModule.app.models import model_of
from TrustSegModule.jobs.batch import Batch, BatchTask
from TrustSegModule.panels.batch_panel import BatchPanel
from TrustSegModule.panels.session import RUNNING_MS, Session
from TrustSegModule.results.cases import BatchCase, read_report
from TrustSegModule.results.placement import find_case
from TrustSegModule.scene.nodes import SceneError

if TYPE_CHECKING:
    from TrustSegLib.worker import WorkerError
    from TrustSegModule.results.nodes import ResultNodes


class BatchSession:
    """One batch at a time, with the worker of the panel's session.

    Parameters
    ----------
    session : Session
        Lends its worker, so that only one model is in memory.
    panel : BatchPanel
        Shows the progress.
    on_running : callable
        Called with True when a batch starts, with False when it is over.
    on_opened : callable
        Called with the `ResultNodes` of a case that is in the scene already.
    """

    def __init__(
        self,
        session: Session,
        panel: BatchPanel,
        on_running: Callable[[bool], None],
        on_opened: Callable[[ResultNodes], None],
    ) -> None:
        self._session, self._panel = session, panel
        self._on_running, self._on_opened = on_running, on_opened
        self._batch: Batch | None = None
        self._timer = qt.QTimer()
        self._timer.timeout.connect(self.poll)

    @property
    def busy(self) -> bool:
        """Whether a batch runs."""
        return self._batch is not None

    def start(self, task: BatchTask) -> None:
        """Start; install missing packages first, which the user may decline."""
        from TrustSegLib.worker import WorkerError

        worker = None if self._refuse_while_busy() else self._session.lend()
        if worker is None:
            return
        self._batch = Batch(worker, task)
        self._panel.remember_folders()
        self._panel.show_running(True)
        self._panel.show_status(_("Starting..."))
        self._on_running(True)
        try:
            self._batch.start()
        except WorkerError as error:
            self._fail(error)
            return
        self._timer.start(RUNNING_MS)

    def open(self, case: BatchCase, scene: slicer.vtkMRMLScene) -> None:
        """Show a case; one that is in the scene already keeps its review."""
        if self.busy or self._refuse_while_busy():
            return
        try:
            report = read_report(case)
            opened = find_case(scene, case, report)
            if opened is None:
                self._session.open(case, model_of(report))
            else:
                self._on_opened(opened)
        except SceneError as error:
            self._show_failure(str(error))

    def cancel(self) -> None:
        """Stop a running batch; what is done stays."""
        if self.busy and not self._batch.cancelled:
            self._batch.cancel()
            self._panel.show_cancelling()

    def close(self) -> None:
        """End a running batch at once; for the end of the panel and of Slicer."""
        self._timer.stop()
        if self.busy:
            self._batch.close()
            self._batch = None

    def poll(self) -> None:
        """Handle the worker's events since the last poll."""
        from TrustSegLib.worker import WorkerError

        batch, before = self._batch, self._batch.cases
        try:
            for event in batch.poll():
                self._session.handle(event)
        except WorkerError as error:
            self._fail(error)
            return
        if batch.cases is not before:
            self._panel.show_cases(batch.cases)
        if batch.ended:
            self._finish()
        else:
            self._panel.show_progress(batch.progress)

    def _refuse_while_busy(self) -> bool:
        if self._session.busy:
            self._panel.show_status(_("An image is being segmented: wait for it, or cancel it."))
        return self._session.busy

    def _finish(self) -> None:
        batch = self._stop()
        if batch.failure is not None and not batch.cancelled:
            self._show_failure(batch.failure.message, batch.failure.details)
        else:
            self._panel.show_status(_summary(batch))

    def _fail(self, error: WorkerError) -> None:
        self._stop()
        self._show_failure(str(error))

    def _stop(self) -> Batch:
        self._timer.stop()
        batch, self._batch = self._batch, None
        self._session.take_back()
        self._panel.show_running(False)
        self._panel.show_cases(batch.cases)
        self._on_running(False)
        return batch

    def _show_failure(self, message: str, details: str = "") -> None:
        self._panel.show_status(message)
        slicer.util.errorDisplay(message, windowTitle=_("TrustSeg"), detailedText=details)


def _summary(batch: Batch) -> str:
    failed = sum(case.error is not None for case in batch.cases)
    if batch.cancelled and not batch.cases:
        text = _("Stopped: no image was done.")
    elif batch.cancelled:
        text = _("Stopped after {done} of {count} images; the results of these stay.")
    else:
        text = _("{count} images, {failed} failed. The one to review first is on top.")
    return text.format(done=len(batch.cases), count=batch.progress.count, failed=failed)
