"""What installs packages in Slicer, with the real signatures: a call written otherwise is a TypeError.

They put little folders where packages would be. Sources: Slicer 5.12's `slicer/packaging.py`, the PyTorch
extension's `PyTorchUtils.py`.
"""

from __future__ import annotations

import shutil
import subprocess
import types
from pathlib import Path

SMALL = ("jsonschema", "matplotlib", "nibabel", "numpy", "safetensors", "scipy", "SimpleITK")
TORCH = (
    *("torch/__init__.py", "torch/version.py", "torch/_C.abi3.so", "torch/lib/libtorch.so"),
    *("torch/nn/__init__.py", "torch/utils/__init__.py", "torchgen/__init__.py"),
)


def put_files(folder: Path, *files: str) -> None:
    """Write files that must never be run."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("raise AssertionError('looking must not import')\n")


def put_record(folder: Path, name: str, version: str) -> Path:
    """Write what pip writes about an installed package; return that folder."""
    record = folder / f"{name}-{version}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (record / "RECORD").write_text("")
    return record


def put_package(folder: Path, name: str, version: str = "99.0") -> None:
    """Put a package into a folder, as pip would."""
    put_record(folder, name, version)
    put_files(folder, *(TORCH if name == "torch" else (f"{name}/__init__.py",)))


def remove(folder: Path, *names: str) -> None:
    """Take packages away, with their records."""
    for name in names:
        for path in [folder / name, *folder.glob(f"{name}-*.dist-info")]:
            shutil.rmtree(path)


class Packaging(types.ModuleType):
    """`slicer.packaging`."""

    def __init__(self, folder: Path):
        super().__init__("slicer.packaging")
        self.folder, self.installed, self.constraints = folder, [], []
        self.constraints_file: Path | None = None
        self.fails_with: Exception | None = None
        self.does_nothing = False

    def pip_ensure(
        self,
        requirements: list[str],
        constraints: str | Path | None = None,
        skip_packages: list[str] | None = None,
        prompt_install: bool = True,
        prompt_restart: bool = True,
        requester: str | None = None,
        skip_in_testing: bool = True,
        show_progress: bool = True,
    ) -> None:
        assert not prompt_install, "TrustSeg has asked already"
        assert requester
        if self.fails_with is not None:
            raise self.fails_with
        self.installed, self.constraints_file = list(requirements), Path(constraints)
        self.constraints = self.constraints_file.read_text().split()
        for each in [] if self.does_nothing else requirements:
            put_package(self.folder, each.split(">=")[0])


class OldUtil:
    """`slicer.util` before Slicer 5.12: one argument, a text or pip's own arguments."""

    def __init__(self, folder: Path):
        self.folder, self.installed = folder, []

    def pip_install(self, requirements) -> None:
        *self.installed, option, path = requirements
        assert option == "-c"
        assert "numpy==99.0" in Path(path).read_text()
        for each in self.installed:
            put_package(self.folder, each.split(">=")[0])


class PyTorchUtilsLogic:
    """The PyTorch extension's logic; subclassed by the tests with `folder` and `calls`."""

    folder: Path
    calls: list[tuple[str, ...]]

    @staticmethod
    def torchInstalled() -> bool:
        raise TypeError("'NoneType' object is not iterable")

    def installTorch(
        self,
        askConfirmation=False,
        forceComputationBackend=None,
        torchVersionRequirement=None,
        torchvisionVersionRequirement=None,
    ):
        assert not askConfirmation, "TrustSeg has asked already"
        self.calls.append(("install", torchVersionRequirement))
        put_package(self.folder, "torch")
        return types.ModuleType("torch")

    def uninstallTorch(self, askConfirmation=False, forceComputationBackend=None) -> None:
        self.calls.append(("uninstall",))
        for record in self.folder.glob("torch-*.dist-info"):
            if not (record / "RECORD").exists():
                raise subprocess.CalledProcessError(1, "pip", output="Cannot uninstall torch: no RECORD file")
            shutil.rmtree(record)
        for package in ("torch", "torchgen"):
            shutil.rmtree(self.folder / package, ignore_errors=True)


def stopped_after(error: Exception):
    """A method with the signature of `installTorch` that fails."""

    def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
        raise error

    return installTorch
