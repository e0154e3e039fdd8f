"""A signal that may carry any object: Qt's own cannot carry a node of MRML, whose type Qt does not know."""

from __future__ import annotations

import inspect
from collections.abc import Callable


class Signal:
    """What PythonQt shows of a signal: `connect`, `disconnect`, `emit`.

    A slot gets only as many arguments as it takes, as in PythonQt. What a slot raises comes out of `emit`.
    """

    def __init__(self):
        self._slots: list[Callable] = []

    def connect(self, slot: Callable) -> None:
        if not callable(slot):
            raise TypeError(f"a signal is connected to something callable, not to {slot!r}")
        self._slots.append(slot)

    def disconnect(self, slot: Callable) -> None:
        self._slots.remove(slot)

    def emit(self, *arguments: object) -> None:
        for slot in list(self._slots):
            slot(*arguments[: _places(slot)])

    def forget(self) -> None:
        """Disconnect all: the next test starts with a fresh application."""
        self._slots.clear()

    @property
    def connected(self) -> int:
        """Number of slots: what a test of a clean exit counts."""
        return len(self._slots)


def _places(slot: Callable) -> int | None:
    """How many positional arguments a slot takes; None when it takes any number."""
    try:
        parameters = inspect.signature(slot).parameters.values()
    except ValueError:
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
