"""Pictures as PNG bytes: neither matplotlib nor Pillow is in every Slicer."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BIT_RGB = (8, 2, 0, 0, 0)


def png_bytes(picture: np.ndarray) -> bytes:
    """Encode a picture as PNG (ISO/IEC 15948), without row filters.

    Parameters
    ----------
    picture : np.ndarray
        (rows, columns, 3) uint8 red, green, blue.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"a picture is (rows, columns, 3) uint8, not {picture.shape} {picture.dtype}")
    rows, columns, _ = picture.shape
    lines = np.zeros(
        (rows, 1 + 3 * columns), dtype=np.uint8
    )  # Each row begins with the number of its filter: 0.
    lines[:, 1:] = picture.reshape(rows, -1)
    header = struct.pack(">2I5B", columns, rows, *_EIGHT_BIT_RGB)
    data = zlib.compress(lines.tobytes(), level=9)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def png_address(picture: np.ndarray) -> str:
    """Return a picture as a `data:` address, which needs no file beside the page."""
    return "data:image/png;base64," + b64encode(png_bytes(picture)).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
