"""Arrays as `.npy` files, written and read a piece at a time so that a large one blocks nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from TrustSegLib.worker.protocol import ProtocolError

PIECE_BYTES = 2**22
"""Moved per step: a few ms, also on a machine that does much else."""

MOMENT_SECONDS = 0.02
"""For which pieces are moved before control returns to the caller."""


def for_a_moment(step: Callable[[], bool]) -> bool:
    """Take steps until one returns True (return True) or the time is over (return False)."""
    end = time.monotonic() + MOMENT_SECONDS
    while not step():
        if time.monotonic() >= end:
            return False
    return True


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array at once; pickled objects are refused on both sides."""
    writer = ArrayWriter(path, array)
    while not writer.step():
        pass


def read_array(path: Path) -> np.ndarray:
    """Read an array and delete its file: the disk is free again before the work begins."""
    array = np.load(path, allow_pickle=False)
    path.unlink()
    return array


class ArrayWriter:
    """Writes one array in steps; between them no file is open.

    Parameters
    ----------
    path : Path
        The file; it is whole only after the last step.
    array : np.ndarray
        At least three axes; must not change until it is written, need not be contiguous, is not copied whole.
    """

    def __init__(self, path: Path, array: np.ndarray) -> None:
        if array.dtype.hasobject:
            raise ValueError("an array of Python objects cannot be written")
        self._path, self._array = path, array
        volumes, depth = int(np.prod(array.shape[:-3])), array.shape[-3]
        rows = max(1, PIECE_BYTES // max(array[..., 0, :, :].nbytes // max(volumes, 1), 1))
        self._blocks = [
            (*np.unravel_index(volume, array.shape[:-3]), slice(first, first + rows))
            for volume in range(volumes)
            for first in range(0, depth, rows)
        ]
        self._done = 0

    def step(self) -> bool:
        """Write one more piece; True when the file is whole.

        Raises
        ------
        OSError
            When the disk is full or the folder is gone.
        """
        if self._done == 0:
            self._write_header()
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(self._array[self._blocks[self._done]]).data)
        self._done += 1
        return self._done == len(self._blocks)

    def _write_header(self) -> None:
        header = np.lib.format.header_data_from_array_1_0(np.empty(0, self._array.dtype))
        with self._path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {**header, "shape": self._array.shape})


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

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype | type[np.generic]) -> None:
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
