"""Writing a file so that it is there whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from pathlib import Path

from TrustSegLib.errors import output_error


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Write a file under a temporary name beside `path`, then move it into place.

    Raises
    ------
    OutputError
        The file cannot be written; nothing is left under either name.
    """
    target = Path(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with ExitStack() as cleanup:
            with open(temporary, "xb") as file:
                cleanup.callback(temporary.unlink, missing_ok=True)
                file.write(data)
            os.replace(temporary, target)
    except OSError as error:
        raise output_error(target, error, "check the folder") from error
