"""YAML files that ship with the package, by name."""

from __future__ import annotations

from pathlib import Path

from TrustSegLib.errors import OptionError


def names(folder: Path) -> list[str]:
    """Every file of a folder, without its ending."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def path_of(folder: Path, kind: str, name: str, else_use: str = "") -> Path:
    """The file of this name.

    Parameters
    ----------
    folder : Path
        Of the files.
    kind : str
        What they are called in an error.
    name : str
        One of `names`.
    else_use : str
        What else would do, in an error.

    Raises
    ------
    OptionError
        There is none of this name.
    """
    known = names(folder)
    if name not in known:
        raise OptionError(f"{kind} {name!r}: not known; use one of {', '.join(known)}{else_use}")
    return folder / f"{name}.yaml"
