"""What a failed case leaves behind: one line for the user, and a log with the traceback if it is a bug."""

from __future__ import annotations

import platform
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from TrustSegLib.contract import ERROR_LOG_FILE
from TrustSegLib.errors import ImageError, TrustSegError, UnexpectedError, disk_full, is_disk_full
from TrustSegLib.inference import Cancelled
from TrustSegLib.version import __version__

NO_MEMORY = ("DefaultCPUAllocator", "not enough memory", "can't allocate memory", "out of memory")
"""Words of the plain `RuntimeError` of PyTorch, or of ITK, when memory has run out."""


@contextmanager
def one_case(image: Path, output: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a case into a `TrustSegError` of one line that names the image.

    Parameters
    ----------
    image : Path
        The image of the case.
    output : Path
        Folder of the results, where the log of an unexpected error goes.

    Raises
    ------
    TrustSegError
        What the user can fix.
    UnexpectedError
        A bug; its traceback is in the log file.
    Cancelled
        The user has stopped the work.
    """
    try:
        yield
    except Cancelled:
        raise
    except TrustSegError as error:
        if str(image) in str(error):
            raise
        raise type(error)(f"{image}: {error}") from error
    except Exception as error:
        # The one place that catches everything: a case must not end the batch of the other cases, whatever
        # a library makes of its file. The traceback goes into the log.
        raise _translated(error, image, output) from error


def _translated(error: Exception, image: Path, output: Path) -> TrustSegError:
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        remedy = "close other programs, or segment a part with --roi"
        return ImageError(f"{image}: needs more memory than is free; {remedy}")
    if isinstance(error, OSError) and is_disk_full(error):
        return disk_full(image, f"its results cannot be written to {output}")
    return _logged(error, image, output)


def _logged(error: Exception, image: Path, output: Path) -> UnexpectedError:
    log = output / ERROR_LOG_FILE
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    try:
        output.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{image}\ntrustseg {__version__}, Python {platform.python_version()}\n")
            stream.write("".join(traceback.format_exception(error)) + "\n")
    except OSError:
        return UnexpectedError(f"{image}: unexpected error ({what}); the log {log} could not be written")
    return UnexpectedError(f"{image}: unexpected error ({what}); please report it with the log {log}")
