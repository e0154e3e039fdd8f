"""Builds and installs the extension with real cmake, and runs code as Slicer's Python would after that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from source_tree import ROOT

HARNESS = ROOT / "Testing" / "harness"
# Below the prefix; named by `harness/cmake/SlicerConfig.cmake`.
MODULES = Path("lib/Slicer-5.12/qt-scripted-modules")

# Opens the module in the stood-in application, and says where the library came from.
_OPEN_MODULE = """
import sys
from pathlib import Path
from application import Application
from qt_stand_ins.installation import install
from qt_stand_ins.panel import open_panel

path = Path(sys.argv[1])
before = list(sys.path)
application = Application()
install(application)
with open_panel(path) as panel:
    import TrustSegLib
    print("title:", panel.parent.title)
    print("categories:", panel.parent.categories)
    print("help:", bool(panel.parent.helpText and panel.parent.acknowledgementText))
    print("library:", Path(TrustSegLib.__file__).parent)
    print("added:", [each for each in sys.path if each not in before])
    panel.module.TrustSegTest().runTest()
    print("tested")
application.close()
"""


def run_cmake(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the cmake of this Python's environment, or of the machine."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    cmake = shutil.which("cmake", path=search)
    assert cmake, "cmake is missing: pip install cmake"
    return subprocess.run([cmake, *map(str, arguments)], capture_output=True, text=True, check=False)


def configure(source: Path, build: Path) -> subprocess.CompletedProcess[str]:
    """Configure the extension against the stand-in for a build of Slicer."""
    stand_in = HARNESS / "cmake"
    return run_cmake(
        *("-S", source, "-B", build),
        f"-DSlicer_DIR={stand_in}",
        f"-DCMAKE_TOOLCHAIN_FILE={stand_in / 'NoCompiler.cmake'}",
        "-DBUILD_TESTING=ON",
    )


def run_bare(code: str, *arguments: str | Path) -> str:
    """Run code in a Python without site-packages: no torch, no numpy, no repository."""
    return _run([], code, *arguments)


def open_module(path: Path) -> str:
    """Open a module's panel in a new process, run the module's own test, and return what that prints.

    The process has the environment's packages but nothing of its `.pth` files, so that an editable install of
    this repository is not there.
    """
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return _run([*sorted(packages), str(HARNESS)], _OPEN_MODULE, path)


def _run(folders: list[str], code: str, *arguments: str | Path) -> str:
    on_path = f"import sys; sys.path += {folders!r}\n{code}"
    command = [sys.executable, "-I", "-S", "-B", "-c", on_path, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
