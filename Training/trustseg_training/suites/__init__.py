"""Suites of corruptions and attacks that ship, by name."""

from __future__ import annotations

from pathlib import Path

from TrustSegLib.errors import OptionError

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every suite."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path:
    """The YAML file of a suite.

    Raises
    ------
    OptionError
        There is none of this name.
    """
    if name not in names():
        raise OptionError(f"suite {name!r}: not known; use one of {', '.join(names())}, or a .yaml file")
    return _FOLDER / f"{name}.yaml"
