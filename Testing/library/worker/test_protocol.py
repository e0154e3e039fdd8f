"""Lines of the protocol and of the log."""

from __future__ import annotations

import json

import pytest

from TrustSegLib.worker.protocol import LineSplitter, ProtocolError, decode, encode


def test_lines_received_in_pieces_are_joined():
    splitter = LineSplitter()
    assert splitter.feed(b'{"a": ') == []
    assert splitter.feed(b'1}\n\n{"b"') == [b'{"a": 1}']
    assert splitter.feed(b": 2}\n") == [b'{"b": 2}']
    assert splitter.flush() == b""


def test_carriage_returns_end_lines():
    splitter = LineSplitter(b"\n\r")
    assert splitter.feed(b"10%\r20%\rdone\r\nnext") == [b"10%", b"20%", b"done"]
    assert splitter.flush() == b"next"


def test_line_without_end_is_cut():
    splitter = LineSplitter(limit=10)
    assert splitter.feed(b"x" * 25) == [b"x" * 25]
    assert splitter.flush() == b""


def test_message_is_ascii():
    message = {"type": "log", "text": "é 日本 \r\n \udcff"}
    line = encode(message)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert decode(line) == message


def test_numbers_that_are_not_finite_are_refused_on_both_sides():
    message = {"type": "x", "value": float("nan")}
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(message)
    with pytest.raises(ProtocolError, match="not JSON"):
        decode(json.dumps(message).encode())


@pytest.mark.parametrize("line", [b"", b"\xff", b"{", b"[]", b'"x"', b"{}", b'{"type": 3}', b"[" * 100_000])
def test_invalid_messages_are_refused(line):
    with pytest.raises(ProtocolError, match="a line is not"):
        decode(line)
