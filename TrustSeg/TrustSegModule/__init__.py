"""What the TrustSeg module of 3D Slicer is made of: the MRML side here, the Qt side in `panels`."""

from __future__ import annotations

from TrustSegModule.library_path import make_library_importable

__all__ = ["make_library_importable"]
