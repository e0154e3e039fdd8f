"""The events that `Worker.poll` returns, and how they are parsed from the messages of the process.

Parsing a wrong field raises KeyError, TypeError or ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from TrustSegLib.worker.protocol import Device

if TYPE_CHECKING:
    from TrustSegLib.worker.client.requests import SegmentResult


FailureKind = Literal["input", "memory", "crash", "start", "protocol", "disk"]


@dataclass(frozen=True)
class Ready:
    """The process has started; versions of the library and of PyTorch, and the devices, the CPU first."""

    version: str
    torch: str
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class Progressed:
    """Progress of a request.

    Attributes
    ----------
    id : str
        The request's.
    stage : str
        `load`, `locate` (for a scan that is searched), `prepare`, `predict`, `restore` or `measure`.
    fraction : float
        Of the whole run, 0 to 1; it never decreases.
    remaining_seconds : float or None
        Until the end, by the rate so far; None before there is one.
    """

    id: str
    stage: str
    fraction: float
    remaining_seconds: float | None


@dataclass(frozen=True)
class Announced:
    """Something that changes how a request is done, such as smaller patches when memory runs out."""

    id: str
    text: str


@dataclass(frozen=True)
class Logged:
    """A line of the process's log."""

    text: str


@dataclass(frozen=True)
class Finished:
    """A request is done; the result is a dict for requests without arrays."""

    id: str
    result: SegmentResult | dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """A request, or with id None the process, has failed.

    Attributes
    ----------
    id : str or None
        The request's.
    kind : str
        `input`: something the user can fix; `memory`: it does not suffice; `crash`: the process ended;
        `start`: it cannot work, such as without PyTorch; `protocol`: the two sides do not match;
        `disk`: the image could not be written.
    message : str
        One line for the user.
    details : str
        Last lines of the log.
    """

    id: str | None
    kind: FailureKind
    message: str
    details: str = ""


@dataclass(frozen=True)
class Stopped:
    """A request was canceled; nothing of it is left."""

    id: str


Event = Ready | Progressed | Announced | Logged | Finished | Failed | Stopped


def parse_ready(message: dict[str, Any]) -> Ready:
    """Event of a `ready` message."""
    devices = tuple(_device(device) for device in message["devices"])
    return Ready(str(message["version"]), str(message["torch"]), devices)


def parse_progress(message: dict[str, Any]) -> Progressed:
    """Event of a `progress` message."""
    remaining = message["remaining_seconds"]
    return Progressed(
        str(message["id"]),
        str(message["stage"]),
        min(1.0, max(0.0, float(message["fraction"]))),
        None if remaining is None else max(0.0, float(remaining)),
    )


def parse_failed(message: dict[str, Any], log_tail: str) -> Failed:
    """Event of a `failed` message, with the last lines of the log."""
    if message["kind"] not in get_args(FailureKind):
        raise ValueError(f"a failure of kind {message['kind']!r}")
    text = " ".join(str(message["message"]).split())
    details = "\n".join(filter(None, [str(message.get("details", "")), log_tail]))
    return Failed(message["id"], message["kind"], text, details)


def _device(device: dict[str, Any]) -> Device:
    memory = (None if value is None else int(value) for value in (device["free_mb"], device["total_mb"]))
    return Device(str(device["name"]), str(device["title"]), *memory)
