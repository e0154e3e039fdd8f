"""Settings that others have published, and our own, by name."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from TrustSegLib.errors import OptionError

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every preset."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path:
    """The YAML file of a preset.

    Raises
    ------
    OptionError
        There is none of this name.
    """
    if name not in names():
        raise OptionError(f"preset {name!r}: not known; use one of {', '.join(names())}")
    return _FOLDER / f"{name}.yaml"


def description(name: str) -> list[str]:
    """What the head of a preset's file says, line by line."""
    lines = path_of(name).read_text(encoding="utf-8").splitlines()
    return [line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), lines)]
