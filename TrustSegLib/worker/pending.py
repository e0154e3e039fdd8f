"""The request that is being worked on, as the caller's side sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from TrustSegLib.worker.arrays import ArrayReader, for_a_moment
from TrustSegLib.worker.protocol import ProtocolError
from TrustSegLib.worker.request import SegmentAnswer, SegmentRequest


class Pending:
    """A request on its way.

    Parameters
    ----------
    request_id : str
        Its id.
    request : SegmentRequest
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

    def __init__(self, request_id: str, request: SegmentRequest) -> None:
        self.id = request_id
        self.request: SegmentRequest | None = request
        self.stage = "load"
        self.cancel_deadline: float | None = None
        self.accept_deadline: float | None = None
        self._shape = request.array.shape[1:]
        self._map_names = request.maps
        self._restarts = 0
        self._readers: list[ArrayReader] = []
        self._labels: ArrayReader | None = None
        self._maps: dict[str, ArrayReader] = {}
        self._message: dict[str, Any] = {}

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
        return self._labels is not None

    def read_answer(self, message: dict[str, Any], folder: Path) -> None:
        """Begin to read the answer.

        Raises
        ------
        ProtocolError
            When its file names are not those of this request, or a map is missing.
        """
        files = message["maps"]
        if set(files) != set(self._map_names):
            raise ProtocolError(f"the answer has maps {sorted(files)}, not {sorted(self._map_names)}")
        self._message = {"report": dict(message["report"]), "notices": tuple(map(str, message["notices"]))}
        self._maps = {name: self._reader(folder, files[name], np.float32) for name in self._map_names}
        self._labels = self._reader(folder, message["labels"], np.uint8)
        self._readers = [self._labels, *self._maps.values()]

    def answer_ready(self) -> bool:
        """Read for a moment; True when all is read."""
        return self.reading and for_a_moment(self._read_piece)

    @property
    def answer(self) -> SegmentAnswer:
        """The answer, once it is ready."""
        maps = {name: reader.array for name, reader in self._maps.items()}
        return SegmentAnswer(self._labels.array, maps, **self._message)

    def _read_piece(self) -> bool:
        if self._readers and self._readers[-1].step():
            self._readers.pop()
        return not self._readers

    def _reader(self, folder: Path, name: str, dtype: type[np.generic]) -> ArrayReader:
        if Path(name).name != name or not name.startswith(f"{self.id}-"):
            raise ProtocolError(f"the answer names a file {name!r} that is not its own")
        return ArrayReader(folder / name, self._shape, dtype)
