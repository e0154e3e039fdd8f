"""One request at a time between the caller and the process, until it is finished, canceled or failed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from TrustSegLib.worker.arrays import ArrayReader, ArrayWriter, for_a_moment
from TrustSegLib.worker.client.connection import Connection, Ended
from TrustSegLib.worker.client.events import (
    Announced,
    Event,
    Failed,
    Finished,
    Logged,
    Stopped,
    parse_failed,
    parse_progress,
    parse_ready,
)
from TrustSegLib.worker.client.requests import ArrayFile, FileRequest, SegmentRequest, SegmentResult
from TrustSegLib.worker.protocol import ProtocolError, WorkerError

CANCEL_SECONDS = 1.0
"""Between a cancel and the end of the process, if it does not stop by itself."""

ACCEPT_SECONDS = 60.0
"""Between a process that is ready and its taking a request; it may be loading a model before that."""


class Session:
    """Process and request, each of which may be missing.

    Parameters
    ----------
    python, environment, idle_seconds
        As in `Worker`.

    Attributes
    ----------
    connection : Connection or None
        To the process.
    pending : Pending or None
        The request in progress.
    """

    def __init__(self, python: str, environment: Mapping[str, str] | None, idle_seconds: float) -> None:
        self._settings = (python, environment, idle_seconds)
        self.connection: Connection | None = None
        self.pending: Pending | None = None
        self._writer: ArrayWriter | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs, though it may still be starting."""
        return self.connection is not None and self.connection.alive

    def start(self) -> None:
        """Start the process if it does not run."""
        if not self.alive:
            self.end()
            self.connection = Connection.open(*self._settings)

    def submit(self, pending: Pending) -> None:
        """Send a request, or start to: the transfer of a large image continues in `collect`."""
        self._submit(pending)
        self.pending = pending

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the process, starting it if need be."""
        self.start()
        self.connection.send(message)

    def cancel(self) -> None:
        """Ask to stop the request, once."""
        if self.pending is None or self.pending.cancel_deadline is not None:
            return
        self.pending.cancel_deadline = time.monotonic() + CANCEL_SECONDS
        if self.connection is not None and self._writer is None:
            self.connection.send({"type": "cancel", "id": self.pending.id})

    def end(self, kill: bool = False) -> None:
        """End the process, at once if `kill`, else within a second."""
        self._writer = None
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close(kill=kill)

    def collect(self) -> list[Event]:
        """Receive messages, continue transfers and enforce deadlines; never blocks."""
        events: list[Event] = []
        if self.connection is not None:
            try:
                messages, ended = self.connection.receive()
                events += [Logged(text) for text in self.connection.take_log()]
                for message in messages:
                    if self.connection is not None:
                        events += self._handle(message)
                events += self._continue_transfer()
                events += self._read_result()
                if ended is not None and self.connection is not None:
                    events += self._handle_end(ended)
            except ProtocolError as error:
                events += self._drop("protocol", f"{error}; reinstall TrustSeg if this happens again")
            except MemoryError:
                events += self._drop("memory", "there is no memory for the result; close other images")
        return events + self._enforce_cancel() + self._enforce_accept()

    def _submit(self, pending: Pending) -> None:
        self.start()
        if pending.request.array is None:
            self.connection.send(pending.request.message(pending.id, ""))
            return
        self._writer = ArrayWriter(self.connection.folder.path / _array_file(pending), pending.request.array)
        try:
            self._write_on(pending)
        except OSError as error:
            self.end(kill=True)
            raise WorkerError(_transfer_error(error)) from error

    def _write_on(self, pending: Pending) -> None:
        """Write the image for a moment; once it is complete, send the request."""
        if for_a_moment(self._writer.step):
            self._writer = None
            self.connection.send(pending.request.message(pending.id, _array_file(pending)))

    def _continue_transfer(self) -> list[Event]:
        """Continue the transfer of an image."""
        if self._writer is None or self.pending is None:
            return []
        if self.pending.cancel_deadline is not None:
            self._writer = None
            return self._finish(Stopped(self.pending.id))
        try:
            self._write_on(self.pending)
        except OSError as error:
            return self._drop("disk", _transfer_error(error))
        return []

    def _handle(self, message: dict[str, Any]) -> list[Event]:
        try:
            return self._event(message)
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"message {message['type']!r} is not understood ({error!r})") from error

    def _event(self, message: dict[str, Any]) -> list[Event]:
        kind, request_id = message["type"], message.get("id")
        if kind == "ready":
            return [parse_ready(message)]
        if kind == "log":
            return [Logged(str(message["text"]))]
        if kind == "failed" and request_id is None:
            return self._process_failed(message)
        if self.pending is None or request_id != self.pending.id:
            return []
        return self._request_event(message)

    def _process_failed(self, message: dict[str, Any]) -> list[Event]:
        failed = parse_failed(message, self.connection.log_tail)
        if failed.kind != "start":
            return [failed]
        # It cannot work at all, so the request cannot, either.
        self.end(kill=True)
        return self._finish(replace(failed, id=self.pending.id if self.pending else None))

    def _request_event(self, message: dict[str, Any]) -> list[Event]:
        kind, pending = message["type"], self.pending
        if kind == "accepted":
            pending.accept()
        elif kind == "progress":
            progress = parse_progress(message)
            pending.stage = progress.stage
            return [] if pending.cancel_deadline else [progress]
        elif kind == "announced":
            return [Announced(pending.id, str(message["text"]))]
        elif kind == "finished":
            pending.read_result(message, self.connection.folder.path)
        elif kind == "failed":
            return self._finish(parse_failed(message, self.connection.log_tail))
        elif kind == "stopped":
            return self._finish(Stopped(pending.id))
        return []

    def _read_result(self) -> list[Event]:
        """Continue to read a result."""
        if self.pending is None or not self.pending.result_ready():
            return []
        return self._finish(Finished(self.pending.id, self.pending.result))

    def _handle_end(self, ended: Ended) -> list[Event]:
        pending = self.pending
        if pending is not None and pending.reading:
            return []  # the result is on the disk and is read first
        if ended.announced and (pending is None or pending.may_restart()):
            self.end()
            return self._restart(pending) if pending is not None else []
        return self._drop(ended.kind, ended.message(pending.stage if pending else ""))

    def _restart(self, pending: Pending) -> list[Event]:
        """Send the request to a new process: the old one was idle and ended before it received it."""
        if pending.cancel_deadline is not None:
            return self._finish(Stopped(pending.id))
        try:
            self._submit(pending)
        except WorkerError as error:
            return self._drop("start", str(error))
        return []

    def _drop(self, kind: str, message: str) -> list[Event]:
        """End the process and fail its request."""
        details = self.connection.log_tail if self.connection else ""
        self.end(kill=True)
        return self._finish(Failed(self.pending.id if self.pending else None, kind, message, details))

    def _finish(self, event: Event) -> list[Event]:
        """Close a request; a canceled one counts as stopped, however it ended."""
        pending, self.pending = self.pending, None
        if pending is None:
            return [event]
        if self.connection is not None:
            self.connection.folder.discard(pending.id)
        return [event if pending.cancel_deadline is None else Stopped(pending.id)]

    def _enforce_accept(self) -> list[Event]:
        """Give up on a process that does not receive requests: some launchers do not forward its input."""
        pending, listens = self.pending, self.connection is not None and self.connection.was_ready
        if pending is None or pending.accepted or not listens or self._writer is not None:
            return []
        now = time.monotonic()
        pending.accept_deadline = pending.accept_deadline or now + ACCEPT_SECONDS
        if now < pending.accept_deadline:
            return []
        return self._drop("start", "the segmentation process does not receive requests; restart Slicer")

    def _enforce_cancel(self) -> list[Event]:
        pending = self.pending
        if pending is None or pending.cancel_deadline is None or time.monotonic() < pending.cancel_deadline:
            return []
        self.end(kill=True)
        return self._finish(Stopped(pending.id))


def _array_file(pending: Pending) -> str:
    return f"{pending.id}-image.npy"


def _transfer_error(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"the image cannot be transferred ({reason}); free space on the disk"


class Pending:
    """A request on its way.

    Parameters
    ----------
    request_id : str
        Its id.
    request : SegmentRequest or FileRequest
        Kept until the process has its array, in case it must be sent to another process.

    Attributes
    ----------
    stage : str
        The last one reported.
    cancel_deadline : float or None
        When the process is killed, in seconds of `time.monotonic`; None unless it was canceled.
    accept_deadline : float or None
        When a process that has not accepted the request is given up; None until it is ready.
    """

    def __init__(self, request_id: str, request: SegmentRequest | FileRequest) -> None:
        self.id = request_id
        self.request: SegmentRequest | FileRequest | None = request
        self.stage = "load"
        self.cancel_deadline: float | None = None
        self.accept_deadline: float | None = None
        self._expected = request.expected
        self._restarts = 0
        self._arrays: dict[str, ArrayReader] = {}
        self._unread: list[ArrayReader] = []
        self._message: dict[str, Any] | None = None

    @property
    def accepted(self) -> bool:
        """Whether the process has accepted the request."""
        return self.request is None

    def accept(self) -> None:
        """Note that the process has the array: the caller may change or free it."""
        self.request = None

    def may_restart(self) -> bool:
        """Whether it may be sent to another process: it was not accepted, and this is the first retry."""
        self._restarts += 1
        return self.request is not None and self._restarts == 1

    @property
    def reading(self) -> bool:
        """Whether the result is being read."""
        return self._message is not None

    def read_result(self, message: dict[str, Any], folder: Path) -> None:
        """Start to read the result.

        Raises
        ------
        ProtocolError
            When its file names are not those of this request, or a map is missing.
        """
        files = self._expected.arrays(message)
        self._arrays = {name: self._reader(folder, file) for name, file in files.items()}
        self._unread, self._message = list(self._arrays.values()), message

    def result_ready(self) -> bool:
        """Read for a moment; True when everything is read."""
        return self.reading and for_a_moment(self._read_piece)

    @property
    def result(self) -> SegmentResult | dict[str, Any]:
        """The result, once it is ready."""
        arrays = {name: reader.array for name, reader in self._arrays.items()}
        return self._expected.result(self._message, arrays)

    def _read_piece(self) -> bool:
        if self._unread and self._unread[-1].step():
            self._unread.pop()
        return not self._unread

    def _reader(self, folder: Path, file: ArrayFile) -> ArrayReader:
        if Path(file.name).name != file.name or not file.name.startswith(f"{self.id}-"):
            raise ProtocolError(f"the result names a file {file.name!r} that is not its own")
        return ArrayReader(folder / file.name, file.shape, file.dtype)
