"""The private folder in which the two processes exchange arrays; it is deleted when both have ended."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from TrustSegLib.worker.protocol import WorkerError

if os.name == "nt":
    import msvcrt
else:
    import fcntl

PREFIX = "trustseg-worker-"
LOCK_FILE = "lock"
CLIENT_BYTE, WORKER_BYTE = 0, 1
"""Windows has no shared locks: each process locks a byte of its own, and `sweep` tries both."""

ATTEMPTS = 20


class PrivateFolder:
    """Folder that only this user can enter; a process that uses it holds its lock.

    Attributes
    ----------
    path : Path
        Where it is.
    """

    def __init__(self, path: Path, lock: BinaryIO) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls) -> PrivateFolder:
        """Make a folder, mode 700, in the system's temporary one.

        Raises
        ------
        WorkerError
            When it cannot be made.
        """
        parent = tempfile.gettempdir()
        try:
            for _ in range(ATTEMPTS):
                path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
                (path / LOCK_FILE).write_bytes(b"\0\0")
                if lock := _hold(path, CLIENT_BYTE):
                    return cls(path, lock)
                # The sweep of another process came between the two lines above.
                shutil.rmtree(path, ignore_errors=True)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise WorkerError(f"{parent}: no folder can be made in it ({reason}); free some space") from error
        raise WorkerError(f"{parent}: no folder in it can be locked; set TMPDIR to a folder on a local disk")

    @classmethod
    def join(cls, path: Path) -> PrivateFolder:
        """Hold the folder that the other process has made.

        Raises
        ------
        WorkerError
            When it is not there or cannot be locked.
        """
        lock = _hold(path, WORKER_BYTE)
        if lock is None:
            raise WorkerError(f"{path}: is not a folder of a running TrustSeg; start the worker through it")
        return cls(path, lock)

    def discard(self, request_id: str) -> None:
        """Delete the files of a request."""
        for file in self.path.glob(f"{request_id}-*"):
            _unlink(file)

    def remove(self) -> None:
        """Delete the folder with its contents, if it still exists.

        Repeated for a while, as the other process may be writing into it.
        """
        for _ in range(ATTEMPTS):
            _delete(self.path, self._lock)
            if not self.path.exists():
                return
            time.sleep(0.01)


def sweep() -> None:
    """Delete the folders of this user that no process holds: both of its processes were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_ours(path) and (lock := _hold_alone(path)):
            _delete(path, lock)


def _delete(path: Path, lock: BinaryIO) -> None:
    """Delete a held folder, the lock file last: a sweep still finds what a kill in between leaves."""
    for entry in path.glob("*"):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != LOCK_FILE:
            _unlink(entry)
    if os.name == "nt":
        lock.close()  # Windows deletes no open file
    shutil.rmtree(path, ignore_errors=True)
    lock.close()


def _unlink(file: Path) -> None:
    # The other process may delete it at the same time, or under Windows still have it open.
    with suppress(OSError):
        file.unlink()


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    return os.name == "nt" or path.lstat().st_uid == os.getuid()


def _hold(path: Path, byte: int) -> BinaryIO | None:
    """Lock file, held together with the other process; None when the folder is being swept, or was."""
    file = _locked(path, (byte,), shared=True)
    if file is not None and not (path / LOCK_FILE).exists():
        file.close()
        return None
    return file


def _hold_alone(path: Path) -> BinaryIO | None:
    """Lock file, held alone; None when a process holds it, or the folder cannot be entered."""
    return _locked(path, (CLIENT_BYTE, WORKER_BYTE), shared=False)


def _locked(path: Path, lock_bytes: tuple[int, ...], shared: bool) -> BinaryIO | None:
    with ExitStack() as cleanup:
        try:
            file = cleanup.enter_context((path / LOCK_FILE).open("r+b"))
            for byte in lock_bytes:
                _lock(file, byte, shared)
        except OSError:
            return None
        cleanup.pop_all()
        return file


def _lock(file: BinaryIO, byte: int, shared: bool) -> None:
    """Lock at once or raise OSError; the operating system unlocks when the process ends, however it ends."""
    if os.name == "nt":
        file.seek(byte)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
