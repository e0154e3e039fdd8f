"""Segmentation with uncertainty by variational density propagation.

Importing it imports none of its rooms: Slicer must be able to import `TrustSegLib` before torch is there.
"""

from __future__ import annotations

from TrustSegLib.version import __version__

__all__ = ["__version__"]
