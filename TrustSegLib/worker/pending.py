"""The request that is being worked on, as the caller's side sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from TrustSegLib.worker.arrays import ArrayReader, for_a_moment
from TrustSegLib.worker.expected import ArrayFile, SegmentAnswer
from TrustSegLib.worker.file_requests import FileRequest
from TrustSegLib.worker.protocol import ProtocolError
from TrustSegLib.worker.request import SegmentRequest


class Pending:
    """A request on its way.

    Parameters
    ----------
    request_id : str
        Its id.
    request : SegmentRequest or FileRequest
        Kept until the process has its array, for the case that another process must get it.

    Attributes
    ----------
    stage : str
        The last that was told.
    cancel_deadline : float or None
        When the process is killed, in seconds of `time.monotonic`; None while nobody has cancelled.
    accept_deadline : float or None
        When a process that has not taken the request is given up; None until it is ready.
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
        """Whether the process has taken the request."""
        return self.request is None

    def accept(self) -> None:
        """The process has the array: the caller may change or free it."""
        self.request = None

    def may_restart(self) -> bool:
        """Whether another process may get it: it has not been accepted, and this is the first time."""
        self._restarts += 1
        return self.request is not None and self._restarts == 1

    @property
    def reading(self) -> bool:
        """Whether the answer is there and being read."""
        return self._message is not None

    def read_answer(self, message: dict[str, Any], folder: Path) -> None:
        """Begin to read the answer.

        Raises
        ------
        ProtocolError
            When its file names are not those of this request, or a map is missing.
        """
        files = self._expected.arrays(message)
        self._arrays = {name: self._reader(folder, file) for name, file in files.items()}
        self._unread, self._message = list(self._arrays.values()), message

    def answer_ready(self) -> bool:
        """Read for a moment; True when all is read."""
        return self.reading and for_a_moment(self._read_piece)

    @property
    def answer(self) -> SegmentAnswer | dict[str, Any]:
        """The answer, once it is ready."""
        arrays = {name: reader.array for name, reader in self._arrays.items()}
        return self._expected.answer(self._message, arrays)

    def _read_piece(self) -> bool:
        if self._unread and self._unread[-1].step():
            self._unread.pop()
        return not self._unread

    def _reader(self, folder: Path, file: ArrayFile) -> ArrayReader:
        if Path(file.name).name != file.name or not file.name.startswith(f"{self.id}-"):
            raise ProtocolError(f"the answer names a file {file.name!r} that is not its own")
        return ArrayReader(folder / file.name, file.shape, file.dtype)
