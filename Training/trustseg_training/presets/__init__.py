"""Settings that others have published, and our own, by name."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from trustseg_training import shipped

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every preset."""
    return shipped.names(_FOLDER)


def path_of(name: str) -> Path:
    """The YAML file of a preset; see `shipped.path_of`."""
    return shipped.path_of(_FOLDER, "preset", name)


def description(name: str) -> list[str]:
    """What the head of a preset's file says, line by line."""
    lines = path_of(name).read_text(encoding="utf-8").splitlines()
    return [line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), lines)]
