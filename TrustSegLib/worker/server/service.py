"""The worker's two threads: one receives messages, the main one runs the jobs."""

from __future__ import annotations

import os
import threading
import traceback
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from TrustSegLib.contract import WORKER_PROTOCOL
from TrustSegLib.errors import TrustSegError, output_error
from TrustSegLib.version import __version__
from TrustSegLib.worker.folder import PrivateFolder
from TrustSegLib.worker.protocol import Cancelled, ProtocolError, decode

if TYPE_CHECKING:
    from TrustSegLib.worker.server.channel import Channel
    from TrustSegLib.worker.server.handlers import JobHandlers


JOB_KINDS = ("segment", "segment_file", "plan_batch", "write_tables", "read_case", "warm")
"""Each is a method of `JobHandlers`."""


def serve(channel: Channel, folder: Path, idle_seconds: float) -> NoReturn:
    """Send the greeting, load PyTorch, and run one job after the other; the process ends here.

    Parameters
    ----------
    channel : Channel
        To the client.
    folder : Path
        The client's private folder.
    idle_seconds : float
        Without a job for so long, the process ends.
    """
    private = PrivateFolder.join(folder)
    jobs = Jobs()
    channel.send({"type": "hello", "protocol": WORKER_PROTOCOL, "pid": os.getpid(), "version": __version__})
    threading.Thread(target=_listen, args=(channel, jobs, private), daemon=True).start()
    handlers = _load_handlers(channel, private)
    while (job := jobs.take(idle_seconds)) is not None:
        channel.send(_do(handlers, job, jobs))
    # The folder is left to the client, which is alive.
    channel.send({"type": "bye"})
    os._exit(0)


def _listen(channel: Channel, jobs: Jobs, folder: PrivateFolder) -> NoReturn:
    """Read until the client closes or dies; then the process ends, however deep in a pass it is."""
    for line in channel.lines():
        try:
            _take(decode(line), channel, jobs)
        except ProtocolError as error:
            channel.send(_failed(None, "protocol", error))
    os.chdir(os.path.dirname(folder.path))  # Windows deletes no folder that is a process's current one
    folder.remove()
    os._exit(0)


def _take(message: dict[str, Any], channel: Channel, jobs: Jobs) -> None:
    kind = message["type"]
    if kind in JOB_KINDS:
        jobs.put(message)
    elif kind == "cancel":
        if jobs.cancel(message.get("id")):
            channel.send({"type": "stopped", "id": message["id"]})
    elif kind == "close":
        os._exit(0)
    else:
        raise ProtocolError(f"a message of type {kind!r} is not known")


def _load_handlers(channel: Channel, folder: PrivateFolder) -> JobHandlers:
    """Import PyTorch and what needs it: seconds, so it comes after the greeting."""
    try:
        from TrustSegLib.worker.server.handlers import JobHandlers

        handlers = JobHandlers(channel, folder)
    except (ImportError, OSError) as error:  # OSError: a shared library that does not load
        traceback.print_exc()
        name = getattr(error, "name", None) or "PyTorch"
        text = f"{name} cannot be loaded ({_one_line(error)}); install what TrustSeg needs"
        channel.send({"type": "failed", "id": None, "kind": "start", "message": text})
        os._exit(1)
    channel.send(handlers.ready())
    return handlers


def _do(handlers: JobHandlers, job: dict[str, Any], jobs: Jobs) -> dict[str, Any]:
    """Run one job; return its final message.

    An error that is none of these is a bug: it ends the process, and its traceback is in the log.
    """
    request_id = job.get("id")
    try:
        if job["type"] == "warm":
            return handlers.warm(job)
        return getattr(handlers, job["type"])(job, jobs.cancelled)
    except Cancelled:
        return {"type": "stopped", "id": request_id}
    except ProtocolError as error:
        return _failed(request_id, "protocol", error)
    except TrustSegError as error:
        return _failed(request_id, getattr(error, "kind", "input"), error)
    except MemoryError:
        text = "the computer's memory is too small for this image; close other programs"
        return _failed(request_id, "memory", text)
    except OSError as error:
        text = output_error("the result", error, "check the folder for temporary files")
        return _failed(request_id, "input", text)


def _failed(request_id: str | None, kind: str, error: object) -> dict[str, Any]:
    return {"type": "failed", "id": request_id, "kind": kind, "message": _one_line(error)}


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


class Jobs:
    """Queue of messages, and whether the current one was canceled."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[dict[str, Any]] = deque()
        self._current: str | None = None
        self._cancelled = False

    def put(self, message: dict[str, Any]) -> None:
        """Add a job."""
        with self._changed:
            self._waiting.append(message)
            self._changed.notify()

    def take(self, timeout: float) -> dict[str, Any] | None:
        """Next job, which is now the current one; None when there was none for `timeout` seconds."""
        with self._changed:
            self._current, self._cancelled = None, False
            if not self._changed.wait_for(lambda: self._waiting, timeout):
                return None
            message = self._waiting.popleft()
            self._current = message.get("id")
            return message

    def cancel(self, request_id: str) -> bool:
        """Cancel a job; True when it had not started and was removed from the queue."""
        with self._changed:
            if request_id == self._current:
                self._cancelled = True
                return False
            waiting = [message for message in self._waiting if message.get("id") != request_id]
            removed = len(waiting) < len(self._waiting)
            self._waiting = deque(waiting)
            return removed

    def cancelled(self) -> bool:
        """Whether the current job was cancelled."""
        return self._cancelled
