"""Room for class moments: in memory, or in files mapped into it once they outgrow a budget."""

from __future__ import annotations

import math
import os
import shutil
import tempfile

import numpy as np

from TrustSegLib.errors import OutputError


class Storage:
    """Hands out float32 arrays; those that do not fit into the memory budget are mapped to temporary files.

    The files have no name that outlives them: the operating system removes them when the last array on them
    is gone, so an error, a cancellation and even a killed process leave nothing of a patient on the disk.

    Parameters
    ----------
    memory_gb : float
        Gigabytes (1e9 bytes) that all arrays in memory may take together; `math.inf` for no files at all.
    """

    def __init__(self, memory_gb: float = math.inf) -> None:
        self._free_bytes = memory_gb * 1e9

    def allocate(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an array of float32 zeros.

        Raises
        ------
        OutputError
            When the array does not fit into memory's budget, nor on the disk of the temporary folder.
        """
        size = math.prod(shape) * np.dtype(np.float32).itemsize
        if size > self._free_bytes:
            return _mapped(shape, size)
        self._free_bytes -= size
        return np.zeros(shape, dtype=np.float32)


def _mapped(shape: tuple[int, ...], size: int) -> np.ndarray:
    """Array on a temporary file, space taken at once: a disk that fills up later would kill the process."""
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < size:
        raise _disk_full(folder, size)
    with tempfile.TemporaryFile(dir=folder, prefix="trustseg-") as file:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise _disk_full(folder, size) from error
        return np.memmap(file, dtype=np.float32, mode="r+", shape=shape)


def _disk_full(folder: str, size: int) -> OutputError:
    return OutputError(
        f"{folder}: no room for {size / 1e9:.1f} GB of temporary files; free some, set TMPDIR to a larger "
        "disk, raise the memory budget or choose a region of interest"
    )
