"""Segmentation with uncertainty by variational density propagation.

>>> import TrustSegLib as ts
>>> result = ts.segment("scan.nii.gz", "hippocampus-t1")

Each name is imported when it is first used: Slicer must be able to import `TrustSegLib` before torch is
there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from TrustSegLib.version import __version__

if TYPE_CHECKING:
    from TrustSegLib import layers, moments
    from TrustSegLib.api import build, class_moments, load_model, segment
    from TrustSegLib.bundle import known_models
    from TrustSegLib.errors import TrustSegError
    from TrustSegLib.imaging import Volume, read_volume, write_volume
    from TrustSegLib.imaging.grid import Roi
    from TrustSegLib.moments import Gaussian
    from TrustSegLib.networks import NetworkSpec

__all__ = [
    "Gaussian",
    "NetworkSpec",
    "Roi",
    "TrustSegError",
    "Volume",
    "__version__",
    "build",
    "class_moments",
    "known_models",
    "layers",
    "load_model",
    "moments",
    "read_volume",
    "segment",
    "write_volume",
]

_MODULES = {
    "Gaussian": "TrustSegLib.moments",
    "NetworkSpec": "TrustSegLib.networks",
    "Roi": "TrustSegLib.imaging.grid",
    "TrustSegError": "TrustSegLib.errors",
    "Volume": "TrustSegLib.imaging",
    "build": "TrustSegLib.api",
    "class_moments": "TrustSegLib.api",
    "known_models": "TrustSegLib.bundle",
    "load_model": "TrustSegLib.api",
    "read_volume": "TrustSegLib.imaging",
    "segment": "TrustSegLib.api",
    "write_volume": "TrustSegLib.imaging",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    elif name in __all__:  # a subpackage
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
