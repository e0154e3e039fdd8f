"""What is to be done, handed from the thread that reads to the thread that works."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any


class Jobs:
    """Messages waiting for their turn, and whether the one at work was cancelled."""

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
        """Cancel a job; True when it had not begun, so that it is gone already."""
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
