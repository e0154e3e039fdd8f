"""From messages of the process to events; a wrong field raises KeyError, TypeError or ValueError."""

from __future__ import annotations

from typing import Any, get_args

from TrustSegLib.worker.events import Device, Failed, FailureKind, Progressed, Ready


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
