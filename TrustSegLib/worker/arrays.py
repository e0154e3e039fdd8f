"""Arrays as `.npy` files: written at once, read a piece at a time so that nobody waits for a large one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from TrustSegLib.worker.protocol import ProtocolError

PIECE_BYTES = 2**25
"""Read per step: about 20 ms."""


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array; pickled objects are refused on both sides."""
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    """Read an array and delete its file: the disk is free again before the work begins."""
    array = np.load(path, allow_pickle=False)
    path.unlink()
    return array


class ArrayReader:
    """Reads one array of a known shape and type in steps, and deletes its file.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        What its shape must be.
    dtype : numpy type
        What its type must be.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self.array = np.empty(shape, dtype)
        self._path = path
        self._offset = 0
        self._position: int | None = None

    def step(self) -> bool:
        """Read one more piece; True when the array is whole.

        Raises
        ------
        ProtocolError
            When the file is missing, too short, or holds another array.
        """
        try:
            return self._step()
        except (OSError, ValueError) as error:
            raise ProtocolError(f"{self._path.name} cannot be read ({error})") from error

    def _step(self) -> bool:
        with self._path.open("rb") as file:
            if self._position is None:
                self._position = self._check_header(file)
            target = memoryview(self.array.reshape(-1)).cast("B")[self._offset :][:PIECE_BYTES]
            file.seek(self._position + self._offset)
            if file.readinto(target) != len(target):
                raise ValueError("it is too short")
        self._offset += len(target)
        if self._offset < self.array.nbytes:
            return False
        self._path.unlink()
        return True

    def _check_header(self, file) -> int:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("its version is not 1.0")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        if shape != self.array.shape or dtype != self.array.dtype or fortran_order:
            raise ValueError(f"it holds {dtype} {shape}, not {self.array.dtype} {self.array.shape}")
        return file.tell()
