"""The lines that the two processes exchange: JSON objects, one a line, in ASCII.

From the client: `segment`; `segment_file`, `plan_batch`, `write_tables`, `read_case`, which are about files;
`warm`, `cancel`, `close`. From the worker: `hello` at once, then `ready`; for a
request `accepted`, `progress`, `announced`, and one of `finished`, `failed`, `stopped`; `log` at any time;
`bye` before it ends by itself. Arrays travel as files in the private folder; a line holds their names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from TrustSegLib.errors import TrustSegError

MAX_LINE_BYTES = 2**24


class WorkerError(TrustSegError):
    """A request cannot be fulfilled; one line for the user."""


class ProtocolError(WorkerError):
    """A message violates the protocol."""


class Cancelled(Exception):  # not an error: the caller asked for it
    """The caller stopped the work; there is no result."""


@dataclass(frozen=True)
class Device:
    """Where a network can run.

    Attributes
    ----------
    name : str
        What a request's `device` takes: `cpu`, `cuda:0`.
    title : str
        Name of the hardware.
    free_mb, total_mb : int or None
        Memory in MB (1e6 bytes) when the worker started; None where it is not known.
    """

    name: str
    title: str
    free_mb: int | None = None
    total_mb: int | None = None


class CaseOutcome(NamedTuple):
    """Outcome of an image of a batch: the folder of its results, or why there are none."""

    image: str
    folder: str | None
    error: str | None


def encode(message: dict[str, Any]) -> bytes:
    """Bytes of one line; a character that is not ASCII is escaped, so that no locale can damage it.

    Raises
    ------
    ValueError
        When a number is not finite.
    """
    return json.dumps(message, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Message of one line.

    Raises
    ------
    ProtocolError
        When it is not a JSON object with a `type`.
    """
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a line is not JSON: {shown(line)}") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError(f"a line is not a message: {shown(line)}")
    return message


def shown(line: bytes) -> str:
    """Start of a line, for messages."""
    return repr(line[:80].decode("utf-8", errors="replace"))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


class LineSplitter:
    """Splits a stream of bytes into lines.

    Parameters
    ----------
    separators : bytes
        Each of these bytes ends a line: a progress bar writes a carriage return and no newline.
    limit : int
        Bytes after which a line is cut although it goes on.
    """

    def __init__(self, separators: bytes = b"\n", limit: int = MAX_LINE_BYTES) -> None:
        self._separators = separators
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Lines that are now whole, without their ends and without empty ones."""
        for separator in self._separators[1:]:
            data = data.replace(bytes([separator]), self._separators[:1])
        *lines, self._rest = (self._rest + data).split(self._separators[:1])
        if len(self._rest) > self._limit:
            lines.append(self.flush())
        return [line for line in lines if line]

    def flush(self) -> bytes:
        """What came after the last end of a line."""
        rest, self._rest = self._rest, b""
        return rest
