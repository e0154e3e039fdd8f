"""The model that stays in the worker's memory between requests. Imports PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from TrustSegLib.bundle import Bundle, ModelDescription, find_bundle, load_bundle
from TrustSegLib.imaging import Volume

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class LoadedModel:
    """A model with its network in memory; what `inference.segment` needs of a bundle."""

    description: ModelDescription
    sha256: str
    loaded_network: nn.Module
    loaded_calibration: Mapping[str, Any] | None = None
    loaded_atlas: Volume | None = None

    def network(self) -> nn.Module:
        """Return the network, the same object each time; it stays on the device it was last brought to."""
        return self.loaded_network

    def calibration(self) -> Mapping[str, Any] | None:
        """Return the content of `calibration.json`, None if the model is not calibrated."""
        return self.loaded_calibration

    def atlas(self) -> Volume | None:
        """Return the atlas of the locator, None if the model has none."""
        return self.loaded_atlas

    @property
    def title(self) -> str:
        """Name and version, for messages."""
        return f"model {self.description.name} {self.description.version}"


class WarmModel:
    """Keeps the last model that was requested, as long as its files are unchanged."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._fingerprint: Fingerprint = ()
        self._model: LoadedModel | None = None

    def get(self, name_or_path: str) -> tuple[LoadedModel, bool]:
        """Return a model, and whether it had to be loaded.

        Raises
        ------
        BundleError
            When there is none, or it is damaged.
        """
        path = find_bundle(name_or_path).absolute()
        fingerprint = _fingerprint(path)
        if fingerprint and (path, fingerprint) == (self._path, self._fingerprint):
            return self._model, False
        model, fresh = self._load(load_bundle(path))
        self._path, self._fingerprint, self._model = path, fingerprint, model
        return model, fresh

    def _load(self, bundle: Bundle) -> tuple[LoadedModel, bool]:
        """Load a network, unless it is the one in memory: the same files elsewhere, by their SHA-256."""
        if self._model is not None and bundle.sha256 == self._model.sha256:
            return self._model, False
        self._model = None  # two large networks need not fit into memory together
        parts = bundle.network(), bundle.calibration(), bundle.atlas()
        return LoadedModel(bundle.description, bundle.sha256, *parts), True


def _fingerprint(path: Path) -> Fingerprint:
    """Name, size and time of change of every file of a bundle; empty when they cannot be read.

    Hashing the files for every request would cost as much as a pass over a small image.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [(file.name, file.lstat()) for file in files]
    except OSError:
        return ()  # `load_bundle` reports what is wrong
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
