"""Errors that the user can fix: one line that names the file, what is wrong and what to do."""

from __future__ import annotations

import errno
from pathlib import Path

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""Errors of a disk or a quota that has no room for a file."""


class TrustSegError(Exception):
    """Base class of the errors that a command reports in one line, with exit code 2."""


class ImageError(TrustSegError):
    """An image cannot be read, or does not suit the model."""


class BundleError(TrustSegError):
    """A model bundle is missing, damaged or of an unknown format."""


class OutputError(TrustSegError):
    """A result cannot be written."""


class OptionError(TrustSegError):
    """An option or a configuration value is not valid."""


class UnexpectedError(TrustSegError):
    """A bug: one line for the user that names the log file with the traceback; exit code 1."""


def output_error(
    path: str | Path, error: OSError, remedy: str, what: str = "cannot be written"
) -> OutputError:
    """Return the error of a file or folder that cannot be written, which names a full disk as such.

    Parameters
    ----------
    path : str or Path
        The file or folder.
    error : OSError
        What the system reported.
    remedy : str
        What to do, unless the disk is full.
    what : str
        What could not be done.
    """
    if is_disk_full(error):
        return disk_full(path, what)
    reason = error.strerror or type(error).__name__
    return OutputError(f"{path}: {what} ({reason}); {remedy}")


def is_disk_full(error: OSError) -> bool:
    """Whether the system had no room for a file."""
    return error.errno in _FULL


def disk_full(path: str | Path, what: str = "cannot be written") -> OutputError:
    """Return the error of a file or folder for which the disk has no room."""
    return OutputError(f"{path}: {what}, the disk is full; free some space, or choose another disk")
