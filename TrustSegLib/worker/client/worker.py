"""`Worker`: the client side. No threads and no blocking: everything happens in `poll`, called by a timer."""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path

from TrustSegLib.worker.client.events import Event, Failed, Finished, Stopped
from TrustSegLib.worker.client.requests import FileRequest, SegmentRequest, SegmentResult, model_text
from TrustSegLib.worker.client.session import Pending, Session
from TrustSegLib.worker.protocol import Cancelled, WorkerError

RUN_POLL_SECONDS = 0.01


class Worker:
    """A process that segments: started on demand, warm until it has been idle for long.

    Parameters
    ----------
    python : str
        Interpreter that has PyTorch, or a launcher that starts it.
    environment : mapping, optional
        Environment of the process; this process's own by default.
    idle_seconds : float
        After which the process ends by itself; the next request starts a new one.
    """

    def __init__(
        self,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        idle_seconds: float = 600.0,
    ) -> None:
        self._session = Session(python, environment, idle_seconds)
        self._requests = 0
        self._events: list[Event] = []
        # At exit too, and when the caller drops this object.
        weakref.finalize(self, self._session.end)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the process runs, though it may still be starting."""
        return self._session.alive

    @property
    def ended(self) -> bool:
        """Whether there is no process, and `poll` has reported the end of the last one."""
        return self._session.connection is None and not self._events

    @property
    def busy(self) -> bool:
        """Whether a request is pending."""
        return self._session.pending is not None

    @property
    def pid(self) -> int | None:
        """Of the process; None when there is none."""
        return self._session.connection.process.pid if self.alive else None

    @property
    def folder(self) -> Path | None:
        """Where arrays are exchanged; None when there is no process."""
        connection = self._session.connection
        return connection.folder.path if connection else None

    def start(self) -> None:
        """Start the process if it does not run; returns at once, and `Ready` comes when it is warm.

        Raises
        ------
        WorkerError
            When it cannot be started.
        """
        self._session.start()

    def segment(self, request: SegmentRequest) -> str:
        """Submit a segmentation; start the process if necessary.

        Parameters
        ----------
        request : SegmentRequest
            Its array must not change until `Progressed`, `Failed` or `Stopped` names it.

        Returns
        -------
        str
            Id that the events name.

        Raises
        ------
        WorkerError
            When a request is pending, the process cannot be started, or the disk is full.
        """
        return self._submit(request)

    def submit(self, request: FileRequest) -> str:
        """Submit a request about files; otherwise as `segment`.

        Returns
        -------
        str
            Id that the events name; the request's class documents the result in `Finished`.

        Raises
        ------
        WorkerError
            As `segment`.
        """
        return self._submit(request)

    def _submit(self, request: SegmentRequest | FileRequest) -> str:
        if self.busy:
            raise WorkerError("a segmentation is running; wait for it or cancel it")
        # An idle process may just have ended.
        self._events += self._session.collect()
        self._requests += 1
        pending = Pending(str(self._requests), request)
        self._session.submit(pending)
        return pending.id

    def warm(self, model: Path, device: str = "auto") -> None:
        """Load a model ahead of its first request.

        Parameters
        ----------
        model : Path
            As in `SegmentRequest`.
        device : str
            As in `SegmentRequest`.

        Raises
        ------
        WorkerError
            When the process cannot be started.
        """
        self._session.send({"type": "warm", "model": model_text(model), "device": device})

    def poll(self) -> list[Event]:
        """Return what has happened since the last call; never blocks.

        Returns
        -------
        list of Event
            After `Finished`, `Failed` or `Stopped` with its id, a request is over.
        """
        events, self._events = self._events, []
        return events + self._session.collect()

    def cancel(self) -> None:
        """Stop the running request; `Stopped` follows within about a second of polling."""
        self._session.cancel()

    def close(self) -> None:
        """End the process within about a second and delete its folder; a running request is dropped."""
        self._session.pending = None
        self._events = []
        self._session.end()

    def run(
        self,
        request: SegmentRequest,
        on_event: Callable[[Event], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> SegmentResult:
        """Segment and wait for the result: for scripts.

        Parameters
        ----------
        request : SegmentRequest
            The image and the model.
        on_event : callable, optional
            Called with every event.
        cancelled : callable, optional
            Polled while the process works; True stops it.

        Raises
        ------
        Cancelled
            When `cancelled` returned True.
        WorkerError
            When it failed; one line for the user.
        """
        request_id = self.segment(request)
        try:
            while True:
                for event in self.poll():
                    if on_event is not None:
                        on_event(event)
                    if (result := _result_of(event, request_id)) is not None:
                        return result
                if cancelled is not None and cancelled():
                    self.cancel()
                time.sleep(RUN_POLL_SECONDS)
        finally:
            if self.busy:  # an exception, such as Ctrl-C, came between
                self.close()


def _result_of(event: Event, request_id: str) -> SegmentResult | None:
    """Result of a request, if this event holds it; a failure is raised."""
    if getattr(event, "id", request_id) != request_id:
        return None
    if isinstance(event, Stopped):
        raise Cancelled
    if isinstance(event, Failed):
        raise WorkerError(event.message)
    return event.result if isinstance(event, Finished) else None
