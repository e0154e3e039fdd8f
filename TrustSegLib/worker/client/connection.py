"""One process with its private folder: messages in and out, its log, and how it ended."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from TrustSegLib.contract import WORKER_PROTOCOL
from TrustSegLib.worker.client.events import FailureKind
from TrustSegLib.worker.client.process import WorkerProcess, ending
from TrustSegLib.worker.folder import PrivateFolder, sweep
from TrustSegLib.worker.protocol import LineSplitter, ProtocolError, decode, encode, shown

LOG_LINES = 60
"""Kept for the details of a failure."""

MAX_LOG_LINE_BYTES = 2**14


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code, whether it had announced its end, and whether it had been ready."""

    code: int
    announced: bool
    was_ready: bool

    @property
    def kind(self) -> FailureKind:
        """Kind of failure of an unexpected end."""
        return "crash" if self.was_ready else "start"

    def message(self, stage: str) -> str:
        """One line for the user."""
        when = f"in the stage {stage}" if stage else "while idle"
        when = when if self.was_ready else "while it started"
        # SIGKILL from outside nearly always means that memory ran out. A launcher reports only 1.
        killed = self.code in (-9, 137) or (self.code == 1 and stage in ("predict", "restore"))
        reason = "; memory may have run out" if killed else ""
        return (
            f"the segmentation process ended unexpectedly {when} ({ending(self.code)}){reason}; "
            "segment again: a new one will start"
        )


class Connection:
    """Process and folder, which live and end together.

    Parameters
    ----------
    process : WorkerProcess
        Just started.
    folder : PrivateFolder
        Its folder.
    """

    def __init__(self, process: WorkerProcess, folder: PrivateFolder) -> None:
        self.process = process
        self.folder = folder
        self._output = LineSplitter()
        self._log = LineSplitter(b"\n\r", MAX_LOG_LINE_BYTES)
        self._tail: deque[str] = deque(maxlen=LOG_LINES)
        self._new_log: list[str] = []
        self._owner = os.getpid()
        self._greeted = self.was_ready = self._bye_received = False

    @classmethod
    def open(cls, python: str, environment: Mapping[str, str] | None, idle_seconds: float) -> Connection:
        """Make a folder and start a process on it; folders of killed processes are deleted first.

        Raises
        ------
        WorkerError
            When the folder cannot be made or the process not be started.
        """
        sweep()
        folder = PrivateFolder.create()
        process = None
        try:
            process = WorkerProcess(python, environment, folder.path, idle_seconds)
        finally:
            if process is None:
                folder.remove()
        return cls(process, folder)

    @property
    def alive(self) -> bool:
        """Whether the process runs and has not announced its end."""
        return not self._bye_received and self.process.exit_code() is None

    @property
    def log_tail(self) -> str:
        """Last lines of the process's log."""
        return "\n".join(self._tail)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; one to a process that has ended is lost, and `receive` reports the end."""
        self.process.send(encode(message))

    def receive(self) -> tuple[list[dict[str, Any]], Ended | None]:
        """Messages since the last call, and how the process ended if it has.

        Raises
        ------
        ProtocolError
            When it does not follow the protocol.
        """
        self.process.send()
        # Before reading: what it wrote before its end is then read in this call.
        code = self.process.exit_code()
        output, log = self.process.read_output(), self.process.read_log()
        self._note_log(log)
        messages = [message for line in self._output.feed(output) if (message := self._message(line))]
        if code is None or output or log:
            return messages, None
        if rest := self._log.flush():
            self._add_log(rest)
        return messages, Ended(code, self._bye_received, self.was_ready)

    def take_log(self) -> list[str]:
        """Lines of the log since the last call."""
        lines, self._new_log = self._new_log, []
        return lines

    def close(self, kill: bool = False) -> None:
        """End the process, at once if `kill`, else within a second, and delete the folder."""
        if os.getpid() != self._owner:
            return  # a fork of the owner ends: it does not own the process
        if kill or self.process.exit_code() is not None:
            self.process.kill()
        else:
            self.process.close(encode({"type": "close"}))
        self.folder.remove()

    def _message(self, line: bytes) -> dict[str, Any] | None:
        if not self._greeted:
            return self._greet(line)
        message = decode(line)
        self.was_ready |= message["type"] == "ready"
        self._bye_received |= message["type"] == "bye"
        return message

    def _greet(self, line: bytes) -> None:
        """Check the first message; a launcher may write something before it."""
        try:
            message = decode(line)
        except ProtocolError:
            self._add_log(line)
            return
        if message["type"] != "hello" or message.get("protocol") != WORKER_PROTOCOL:
            raise ProtocolError(f"the process does not speak {WORKER_PROTOCOL} but {shown(line)}")
        pid = message.get("pid")
        if not isinstance(pid, int) or pid <= 1:
            raise ProtocolError(f"the process's greeting is not valid: {shown(line)}")
        self.process.interpreter_pid = pid
        self._greeted = True

    def _note_log(self, data: bytes) -> None:
        for line in self._log.feed(data):
            self._add_log(line)

    def _add_log(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").rstrip()
        if text:
            self._tail.append(text)
            self._new_log.append(text)
