"""Which of the required Python packages are installed.

The check never imports a package: a half-installed torch breaks the import, and a loaded one cannot be
replaced on Windows.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[2] / "Resources" / "requirements.txt"
# Slicer is built with these: another version would break Slicer itself.
SHIPPED = ("numpy", "SimpleITK")
# Without any of these `import torch` fails, at once or later.
TORCH_FILES = (
    *("torch/__init__.py", "torch/version.py", "torch/_C.*", "torch/lib"),
    *("torch/nn/__init__.py", "torch/utils/__init__.py", "torchgen/__init__.py"),
)


@dataclass(frozen=True)
class Requirement:
    """A line of `requirements.txt`: a name and the lowest version."""

    name: str
    lowest: str

    def __str__(self) -> str:
        return f"{self.name}>={self.lowest}"


@dataclass(frozen=True)
class DependencyState:
    """State of the required packages.

    Attributes
    ----------
    torch : str
        `"ready"`; `"missing"`, also when it is too old; or `"broken"`: half installed.
    missing : tuple of str
        The other requirements that are not met, such as `"safetensors>=0.4.3"`.
    """

    torch: str
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing has to be installed."""
        return self.torch == "ready" and not self.missing


def requirements() -> tuple[Requirement, ...]:
    """Read `requirements.txt`."""
    lines = (line.strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    return tuple(Requirement(*line.split(">=")) for line in lines if line and not line.startswith("#"))


def torch_requirement() -> Requirement:
    """The line of `requirements.txt` that names torch."""
    return next(each for each in requirements() if each.name == "torch")


def check(path: Sequence[str] | None = None) -> DependencyState:
    """Check which packages are installed, without importing any. Takes milliseconds.

    Parameters
    ----------
    path : sequence of str, optional
        Folders to look in; those of this Python by default.
    """
    importlib.invalidate_caches()
    folders = list(sys.path if path is None else path)
    others = [each for each in requirements() if each.name != "torch"]
    missing = tuple(str(each) for each in others if not _is_met(each, folders))
    return DependencyState(_torch_state(folders), missing)


def shipped_versions() -> dict[str, str]:
    """Versions of the packages that Slicer is built with."""
    records = {name: _record(name, sys.path) for name in SHIPPED}
    return {name: record.version for name, record in records.items() if record is not None}


def remains_of_torch(path: Sequence[str] | None = None) -> list[Path]:
    """Folders of a half-installed torch; none when torch is whole, or not there at all."""
    folders = list(sys.path if path is None else path)
    if _torch_state(folders) != "broken":
        return []
    found = [each for folder in folders for each in sorted(Path(folder).glob("torch-*.dist-info"))]
    return found + [each for folder in folders if (each := Path(folder) / "torch").is_dir()]


def _is_met(requirement: Requirement, folders: list[str]) -> bool:
    record = _record(requirement.name, folders)
    if PathFinder.find_spec(requirement.name, folders) is None:
        return False
    if record is None:
        # Built into Slicer, not installed by pip: its version is not checked.
        return requirement.name in SHIPPED
    return _release(record.version) >= _release(requirement.lowest)


def _torch_state(folders: list[str]) -> str:
    record, spec = _record("torch", folders), PathFinder.find_spec("torch", folders)
    has_code = spec is not None and spec.origin is not None
    if record is None:
        # An uninstall leaves harmless folders without code behind.
        return "broken" if has_code else "missing"
    # Without RECORD, the list of its files, pip was stopped half-way, and cannot uninstall it either.
    listed = record.read_text("RECORD") is not None
    if not (has_code and listed and _is_complete(Path(spec.origin).parents[1])):
        return "broken"
    return "ready" if _release(record.version) >= _release(torch_requirement().lowest) else "missing"


def _is_complete(folder: Path) -> bool:
    return all(any(folder.glob(name)) for name in TORCH_FILES)


def _record(name: str, folders: list[str]) -> metadata.Distribution | None:
    """What pip has written about an installed package; a folder without METADATA does not count."""
    found = metadata.distributions(name=name, path=folders)
    return next((each for each in found if each.metadata.get("Name")), None)


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version: `2.13.0+cpu` is (2, 13, 0)."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in numbers[0].split(".")) if numbers else ()
