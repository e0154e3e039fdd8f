"""The process: start it, exchange data without blocking, and end it with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from TrustSegLib.worker.protocol import WorkerError

LIBRARY_PARENT = Path(__file__).resolve().parents[3]
READ_BYTES = 2**16
READS_PER_POLL = 64
"""At most 4 MB a poll: a process that writes without end must not hold the caller."""

CLOSE_SECONDS = 1.0
KILL_SECONDS = 0.1


class WorkerProcess:
    """One process of `python -m TrustSegLib.worker`, its pipes non-blocking.

    Parameters
    ----------
    python : str
        Interpreter, or a launcher that starts one as its child.
    environment : mapping or None
        Of the process; None for this process's own.
    folder : Path
        The private folder, which also takes its temporary files.
    idle_seconds : float
        After which it ends by itself.

    Raises
    ------
    WorkerError
        When it cannot be started.
    """

    def __init__(
        self, python: str, environment: Mapping[str, str] | None, folder: Path, idle_seconds: float
    ) -> None:
        _check_platform()
        command = [python, "-m", "TrustSegLib.worker", "--folder", str(folder)]
        try:
            self._popen = subprocess.Popen(
                [*command, "--idle-seconds", str(idle_seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                env=_environment(environment, folder),
                **_own_group(),
            )
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise WorkerError(f"{python}: cannot be started ({reason}); choose another Python") from error
        self._pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._unsent = b""
        self._group_ended = False
        self.interpreter_pid: int | None = None
        """Of the interpreter itself, once its greeting has come; a launcher has another."""

    @property
    def pid(self) -> int:
        """Of the interpreter; until that is known, of the process that was started."""
        return self.interpreter_pid or self._popen.pid

    def exit_code(self) -> int | None:
        """None while it runs; as in `subprocess`, -N when signal N has killed it."""
        code = self._popen.poll()
        if code is not None:
            self._end_group()
        return code

    def send(self, data: bytes = b"") -> None:
        """Send bytes after those that did not fit into the pipe before; the rest waits for the next call."""
        self._unsent += data
        with suppress(BlockingIOError, BrokenPipeError, ValueError):
            while self._unsent:
                self._unsent = self._unsent[os.write(self._popen.stdin.fileno(), self._unsent) :]

    def read_output(self) -> bytes:
        """What it wrote on its standard output since the last call."""
        return _read(self._popen.stdout)

    def read_log(self) -> bytes:
        """What it wrote on its standard error since the last call."""
        return _read(self._popen.stderr)

    def kill(self, patience: float = KILL_SECONDS) -> None:
        """End it and its children at once.

        Parameters
        ----------
        patience : float
            Seconds to wait until the operating system has taken it down: a large one takes a moment, and one
            in a driver's call may take long and is left to the system.
        """
        self._end_group()
        self._popen.kill()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(patience)
        for pipe in self._pipes:
            pipe.close()

    def close(self, farewell: bytes) -> None:
        """Ask it to end, wait up to a second, then kill what is left of it."""
        self.send(farewell)
        with suppress(OSError):
            self._popen.stdin.close()
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._popen.poll() is None and time.monotonic() < deadline:
            self.read_output(), self.read_log()  # a full pipe would keep it from ending
            time.sleep(0.005)
        self.kill(CLOSE_SECONDS)

    def _end_group(self) -> None:
        """Kill all that was started with it, once: later its number may be another process's."""
        if self._group_ended:
            return
        self._group_ended = True
        launcher_runs = self._popen.poll() is None
        if os.name == "nt":
            _kill_windows_tree(self._popen.pid)
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        if launcher_runs and self.interpreter_pid not in (None, self._popen.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.interpreter_pid, signal.SIGKILL)


def ending(code: int) -> str:
    """How a process ended, for messages."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _read(pipe: IO[bytes]) -> bytes:
    parts = []
    with suppress(BlockingIOError, ValueError):
        for _ in range(READS_PER_POLL):
            part = os.read(pipe.fileno(), READ_BYTES)
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


def _check_platform() -> None:
    if os.name == "nt" and sys.version_info < (3, 12):
        raise WorkerError("the worker needs Python 3.12 or later under Windows; update Slicer")


def _environment(environment: Mapping[str, str] | None, folder: Path) -> dict[str, str]:
    """The process's environment: it finds this very library, and its temporary files go to its folder."""
    variables = dict(os.environ if environment is None else environment)
    paths = [str(LIBRARY_PARENT), variables.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    for name in ("TMPDIR", "TEMP", "TMP"):
        variables[name] = str(folder)
    if sys.getfilesystemencoding().lower() == "utf-8":
        # Else paths would be read in the locale's encoding, which may be another than this process's.
        variables["PYTHONUTF8"] = "1"
    return variables


def _own_group() -> dict[str, object]:
    """How to start it so that it can be killed with its children and shows no console window."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _kill_windows_tree(pid: int) -> None:
    # Its exit code only indicates that the process had ended already.
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(pid)],
            check=False,
            capture_output=True,
            timeout=CLOSE_SECONDS,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
