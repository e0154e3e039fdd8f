"""Parts of the TrustSeg module of 3D Slicer, and how it finds TrustSegLib.

Slicer puts only the module's own folder on `sys.path`. An installed extension has TrustSegLib in that folder;
in a checkout the library is beside the module's folder.
Standard library only: the check for installed packages imports this, and must import none of them.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

LIBRARY = "TrustSegLib"


def make_library_importable(module_folder: Path) -> None:
    """Make `import TrustSegLib` work in Slicer's Python, changing `sys.path` only where it has to.

    Parameters
    ----------
    module_folder : Path
        The folder that holds `TrustSeg.py`.

    Raises
    ------
    ImportError
        When the library is neither importable already nor in the folder above.
    """
    if importlib.util.find_spec(LIBRARY) is not None:
        return
    checkout = module_folder.resolve().parent
    if not (checkout / LIBRARY / "__init__.py").is_file():
        raise ImportError(
            f"{LIBRARY} is neither beside {module_folder} nor in {checkout}: reinstall the extension.",
            name=LIBRARY,
        )
    # At the end: nothing else in the checkout may hide a module of Slicer or of another extension.
    sys.path.append(str(checkout))


__all__ = ["make_library_importable"]
