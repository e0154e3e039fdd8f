"""The worker process of this Slicer: started with Slicer's own Python."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from TrustSegModule.scene.nodes import SceneError

if TYPE_CHECKING:
    from TrustSegLib.worker import Worker


PYTHONS = ("python-real", "PythonSlicer")
"""Slicer's interpreter, then its launcher. The environment that the interpreter needs is set already, and on
Windows the launcher does not forward its input."""


def make_worker(idle_seconds: float = 600.0) -> Worker:
    """Return a worker that runs with the packages of this Slicer; its process is started later.

    Parameters
    ----------
    idle_seconds : float
        After which the process gives its memory back.

    Raises
    ------
    SceneError
        Slicer's Python is not found.
    """
    # Here: the panel opens without the packages that the worker needs.
    from TrustSegLib.worker import Worker

    return Worker(python=python_executable(), idle_seconds=idle_seconds)


def python_executable() -> str:
    """Return the Python that Slicer brings along; without Slicer, the one that runs this.

    Raises
    ------
    SceneError
        There is neither: to start Slicer itself instead would open a second window.
    """
    for name in PYTHONS:
        if (found := shutil.which(name)) is not None:
            return found
    if Path(sys.executable or "").name.lower().startswith("python"):
        return sys.executable
    raise SceneError(_("PythonSlicer is not found: start Slicer by its own launcher, or install it again."))
