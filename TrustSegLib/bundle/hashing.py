"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

BLOCK_BYTES = 2**20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
