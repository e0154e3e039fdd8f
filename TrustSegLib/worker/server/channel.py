"""The worker's end of its pipes to the client."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from TrustSegLib.worker.protocol import LineSplitter, encode

READ_BYTES = 2**16


class Channel:
    """Sends and receives lines; any thread may send.

    Parameters
    ----------
    incoming, outgoing : int
        File descriptors, blocking.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._sending = threading.Lock()

    @classmethod
    def take_standard_streams(cls) -> Channel:
        """Take standard input and output for the protocol.

        What is printed goes to standard error from here on. Standard input becomes empty: under Windows,
        loading a library can hang while a thread waits for input on the standard handle.
        """
        channel = cls(os.dup(0), os.dup(1))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
        return channel

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; that the client is gone is detected where its lines are read."""
        data = encode(message)
        with self._sending:
            while data:
                try:
                    data = data[os.write(self._outgoing, data) :]
                except BrokenPipeError:
                    return

    def lines(self) -> Iterator[bytes]:
        """Lines of the client, until it closes or dies."""
        splitter = LineSplitter()
        while data := os.read(self._incoming, READ_BYTES):
            yield from splitter.feed(data)
