"""Suites of corruptions and attacks that ship, by name."""

from __future__ import annotations

from pathlib import Path

from trustseg_training import shipped

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every suite."""
    return shipped.names(_FOLDER)


def path_of(name: str) -> Path:
    """The YAML file of a suite; see `shipped.path_of`."""
    return shipped.path_of(_FOLDER, "suite", name, ", or a .yaml file")
