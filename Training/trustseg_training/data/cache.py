"""Prepared images on a disk, for data sets that are larger than the memory.

A folder holds three files for each image: ``KEY.image.npy`` and ``KEY.label.npy``, which are mapped into
memory and read where a patch needs them, and ``KEY.json`` with their hashes and what the checks found. KEY is
a hash of everything that an entry depends on: the source files (path, size and time of change: to read and
unpack them again at every start is what the cache saves), the settings of the preparation and the version of
the code. Entries of other settings or of older files stay beside it; the folder can be removed whenever no
run uses it, and several runs and data sets may share it.

Every file is written under another name and then renamed, ``KEY.json`` last. An entry whose files do not have
the hashes in ``KEY.json`` is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from trustseg_training.config import FitConfiguration
from trustseg_training.dataset import Case, Findings
from TrustSegLib import __version__
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.errors import OutputError, is_disk_full

from .preprocessing import Sample

#: Of the files; and of `preprocessing`, should it change between two versions of the library.
FORMAT = 1

ARRAYS = ("image", "label")


@dataclass(frozen=True)
class ImageCache:
    """Prepared images in a folder.

    Attributes
    ----------
    folder : Path
        Made when the first image is stored.
    configuration : FitConfiguration
        Whose preparation the images have.
    """

    folder: Path
    configuration: FitConfiguration

    def find(self, case: Case) -> tuple[Sample, Findings] | None:
        """An image and what the checks found in it; None if it is not there, or damaged.

        Its tensors are mapped: pages of the files come into memory when they are used, and may leave again.
        """
        key = self.key(case)
        try:
            stored = json.loads(self._path(key, "json").read_text(encoding="utf-8"))
            findings = Findings(str(stored["digest"]), tuple(map(str, stored["notes"])))
            expected = {name: stored["sha256"][name] for name in ARRAYS}
            if any(sha256_of(self._array(key, name)) != digest for name, digest in expected.items()):
                return None
            mapped = {name: mapped_array(self._array(key, name)) for name in ARRAYS}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Sample(name=case.name, **{name: torch.from_numpy(mapped[name]) for name in ARRAYS}), findings

    def store(self, case: Case, sample: Sample, findings: Findings) -> Sample:
        """Write an image and return it as `find` does.

        Raises
        ------
        OutputError
            The folder cannot be written, or its disk is full.
        """
        key = self.key(case)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in ARRAYS:
                self._write_array(key, name, sample[name].numpy())
            hashes = {name: sha256_of(self._array(key, name)) for name in ARRAYS}
            content = {"case": case.name, "sha256": hashes, **asdict(findings)}
            text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
            self._write(self._path(key, "json"), lambda stream: stream.write(text.encode()))
            mapped = {name: torch.from_numpy(mapped_array(self._array(key, name))) for name in ARRAYS}
        except OSError as error:
            raise self._not_written(error) from error
        return Sample(name=case.name, **mapped)

    def key(self, case: Case) -> str:
        """32 hexadecimal digits of what the entry of a case depends on."""
        configuration = self.configuration
        depends = {
            "format": [FORMAT, __version__],
            "images": [_identity(path) for path in case.images],
            "label": _identity(case.label),
            "channels": [case.channels, configuration.channels],
            "classes": configuration.network.classes,
            "label_map": sorted(configuration.label_map.items()),
            "orientation": configuration.orientation,
            "spacing": configuration.spacing,
            "normalization": configuration.normalization.to_dict(),
        }
        return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / f"{key}.{suffix}"

    def _array(self, key: str, name: str) -> Path:
        return self._path(key, f"{name}.npy")

    def _write_array(self, key: str, name: str, array: np.ndarray) -> None:
        self._write(self._array(key, name), lambda stream: np.save(stream, array, allow_pickle=False))

    def _write(self, path: Path, write: Callable[[BinaryIO], object]) -> None:
        """Write beside the place and rename: nobody ever sees half a file under its name."""
        temporary = self.folder / f".writing-{uuid.uuid4().hex}"
        try:
            with temporary.open("xb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _not_written(self, error: OSError) -> OutputError:
        full = is_disk_full(error)
        reason = "the disk is full; make room" if full else f"cannot be written ({error.strerror}); check it"
        return OutputError(f"{self.folder}: {reason}, or choose another folder for the cache")


def cache_at_hand(configuration: FitConfiguration) -> FitConfiguration:
    """The configuration without a cache whose folder is gone, as on another computer after training."""
    lost = configuration.cache is not None and not Path(configuration.cache).is_dir()
    return replace(configuration, cache=None) if lost else configuration


def mapped_array(path: Path) -> np.memmap:
    """An array of a ``.npy`` file, mapped: copy-on-write, so that nothing can change the file."""
    return np.load(path, mmap_mode="c", allow_pickle=False)


def _identity(path: Path) -> list[str | int]:
    """What distinguishes a file from its later versions."""
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]
