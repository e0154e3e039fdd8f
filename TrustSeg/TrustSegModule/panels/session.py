"""Controls a segmentation from the click on Segment to the overlay, polled by a timer; nothing blocks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from TrustSegLib.contract import AUTO, choice_sentence
from TrustSegModule.app import dependencies
from TrustSegModule.jobs.runner import Runner, Task
from TrustSegModule.jobs.worker import make_worker
from TrustSegModule.panels.run_panel import RunPanel
from TrustSegModule.panels.text import device_name
from TrustSegModule.scene.nodes import SceneError

if TYPE_CHECKING:
    from TrustSegLib.worker import (
        Announced,
        Event,
        Failed,
        Finished,
        Logged,
        Progressed,
        Ready,
        Stopped,
        Worker,
    )
    from TrustSegModule.app.models import Model
    from TrustSegModule.results.cases import BatchCase
    from TrustSegModule.results.nodes import ResultNodes

PLACING_MS, RUNNING_MS, IDLE_MS = 1, 50, 500
"""Interval between two pieces of a result; between two polls while the worker segments; while it is idle."""


class Session:
    """The runner of one panel, with its timer and its messages to the user.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the results go.
    panel : RunPanel
        Shows the progress.
    on_results : callable
        Called with the `ResultNodes` of a segmentation that is done.
    on_opened : callable
        Called with the `ResultNodes` of a case that was opened.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        panel: RunPanel,
        on_results: Callable[[ResultNodes], None],
        on_opened: Callable[[ResultNodes], None],
    ) -> None:
        self._scene, self._panel = scene, panel
        self._on_results, self._on_opened = on_results, on_opened
        self._opening: BatchCase | None = None
        self._lent = False
        self._runner: Runner | None = None
        self._clicked = 0.0
        self._cancelled = False
        self._packages_ready = self._installing = False
        self._timer = qt.QTimer()
        self._timer.timeout.connect(self.poll)

    @property
    def busy(self) -> bool:
        """Whether a segmentation runs, or its result is not yet in the scene."""
        return self._runner is not None and self._runner.busy and not self._lent

    @property
    def placing(self) -> bool:
        """Whether a result is on its way into the scene."""
        return self._runner is not None and self._runner.placing

    def warm(self, model: Model | None, device: str) -> None:
        """Start the worker before the first click, if its packages are installed."""
        if self._lent or not dependencies.check().ready:
            return
        try:
            self._ready_runner().worker.warm(AUTO if model is None else model.path, device)
        except _failures() as error:
            self._panel.show_status(str(error))
            return
        self._timer.start(RUNNING_MS if self.busy else IDLE_MS)

    def start(self, task: Task) -> None:
        """Start a segmentation; install missing packages first, which the user may decline."""
        self._opening = None
        self._start(lambda runner: runner.start(task), _("Starting..."))

    def open(self, case: BatchCase, model: Model) -> None:
        """Bring a case of a batch into the scene."""
        self._opening = case
        self._start(lambda runner: runner.open(case, model), _("Opening {name}...").format(name=case.name))

    def lend(self) -> Worker | None:
        """Lend the worker to a batch, until `take_back`; None when it is not available, with a message."""
        if self.busy or self._lent or self._installing or not self._has_packages():
            return None
        try:
            worker = self._ready_runner().worker
        except SceneError as error:
            self._show_failure(str(error))
            return None
        self._lent = True
        self._timer.stop()
        return worker

    def take_back(self) -> None:
        """The batch is over; the worker stays warm."""
        self._lent = False
        self._timer.start(IDLE_MS)

    def handle(self, event: Event) -> None:
        """Handle an event of the lent worker that is not about the images of the batch."""
        self._handle(event)

    def _start(self, begin: Callable[[Runner], None], status: str) -> None:
        # While packages are installed the event loop runs, and the button may be clicked again.
        if self._lent or self._installing or not self._has_packages():
            return
        self._clicked, self._cancelled = time.monotonic(), False
        try:
            begin(self._ready_runner())
        except _failures() as error:
            self._show_failure(str(error))
            return
        self._panel.show_running(True)
        self._panel.show_status(status)
        self._timer.start(RUNNING_MS)

    def cancel(self) -> None:
        """Stop a running segmentation, if there is one."""
        if self.busy:
            self._cancelled = True
            self._runner.cancel()
            self._panel.show_cancelling()

    def close(self) -> None:
        """End the worker and the timer; for the end of the panel and of Slicer."""
        self._timer.stop()
        if self._runner is not None:
            self._runner.close()

    def poll(self) -> None:
        """Handle the worker's events since the last poll."""
        try:
            events = self._runner.poll()
        except SceneError as error:
            self._panel.show_running(False)
            self._show_failure(str(error))
            return
        for event in events:
            self._handle(event)
        if self.busy:
            self._timer.setInterval(PLACING_MS if self.placing else RUNNING_MS)
        elif self._runner.worker.ended:
            self._timer.stop()
        else:
            self._timer.setInterval(IDLE_MS)

    def _handle(self, event: Event) -> None:
        getattr(self, f"_on_{type(event).__name__.lower()}")(event)

    def _on_ready(self, event: Ready) -> None:
        self._panel.show_devices(event.devices)

    def _on_progressed(self, event: Progressed) -> None:
        self._panel.show_progress(event)

    def _on_announced(self, event: Announced) -> None:
        logging.warning("TrustSeg: %s", event.text)
        self._panel.show_notice(event.text)

    def _on_logged(self, event: Logged) -> None:
        logging.info("TrustSeg worker: %s", event.text)

    def _on_finished(self, event: Finished) -> None:
        self._panel.show_running(False)
        if self._opening is not None:
            self._on_opened(self._runner.results)
            self._panel.show_status(_("Opened {name}.").format(name=self._opening.name))
            return
        self._on_results(self._runner.results)
        report = event.result.report
        device = device_name(report["provenance"]["device"])
        text = _("Done in {seconds:.1f} s on {device}.")
        lines = [text.format(seconds=time.monotonic() - self._clicked, device=device), *event.result.notices]
        if choice := report["provenance"].get("choice"):
            lines.append(f"{report['model']['name']}: {choice_sentence(choice)}")
        self._panel.show_status("\n".join(lines))

    def _on_stopped(self, event: Stopped) -> None:
        self._panel.show_running(False)
        if self._cancelled:
            self._panel.show_status(_("Stopped: the scene is as it was."))
        else:
            self._panel.show_status(_("The image was removed or replaced: its result was dropped."))

    def _on_failed(self, event: Failed) -> None:
        if event.id is None:
            # No request has failed: no dialog for what may not even be needed.
            logging.error("TrustSeg worker: %s\n%s", event.message, event.details)
            self._panel.show_status(event.message)
        else:
            self._panel.show_running(False)
            self._show_failure(event.message, event.details)

    def _show_failure(self, message: str, details: str = "") -> None:
        self._panel.show_status(message)
        slicer.util.errorDisplay(message, windowTitle=_("TrustSeg"), detailedText=details)

    def _has_packages(self) -> bool:
        """Check once, and install missing packages with the user's consent."""
        if self._packages_ready:
            return True
        self._installing = True
        try:
            self._packages_ready = dependencies.install(dependencies.check())
        except dependencies.DependencyError as error:
            self._show_failure(str(error), error.details)
            return False
        finally:
            self._installing = False
        if not self._packages_ready:
            self._panel.show_status(_("Nothing was installed: without its packages TrustSeg cannot segment."))
        return self._packages_ready

    def _ready_runner(self) -> Runner:
        if self._runner is None:
            self._runner = Runner(self._scene, make_worker())
        return self._runner


def _failures() -> tuple[type[Exception], ...]:
    """Errors with a one-line message; a function, as opening the panel must not import the worker."""
    from TrustSegLib.worker import WorkerError

    return SceneError, WorkerError
