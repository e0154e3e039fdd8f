"""The plan of the work on an image, before it starts: voxels that the network would see, and memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from TrustSegLib.errors import ImageError

if TYPE_CHECKING:
    from TrustSegLib.bundle import ModelDescription
    from TrustSegLib.imaging import Volume

MOST_VOXELS = 1e9
"""A body of 500 x 500 x 1800 mm in voxels of .77 mm: more is days on a processor."""
MOST_COARSE = 200
"""Voxels to make of one voxel (5.8 mm to 1 mm): beyond this, what the network sees is interpolated."""
SMALL_ENOUGH = 1e7
"""Voxels that are segmented in any case: the work is done in minutes."""
FEWEST_VOXELS = 2
"""Along the longest axis; an image that is smaller has another unit of length."""
_BYTES = 8
"""Of a voxel of each channel: resampled and normalized, both float32."""


def check_plan(volume: Volume, description: ModelDescription) -> None:
    """Refuse an image that would become absurdly large or small on the model's grid.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)`.
    description : ModelDescription
        Of the model, whose voxel size the image is resampled to.

    Raises
    ------
    ImageError
        In one line that names the voxel size, the voxels after resampling and the memory.
    """
    wanted = description.input
    # Without turning to the model's axes: neither the number of voxels nor the mean edge depends on it.
    size = np.array(volume.size) * volume.spacing / np.prod(wanted.spacing_mm) ** (1 / 3)
    voxels = float(np.prod(np.maximum(size, 1)))
    gigabytes = voxels * volume.channels * _BYTES / 1e9
    coarse = voxels / float(np.prod(volume.size, dtype=float))
    own = f"voxels of {_listed(volume.spacing)} mm"
    if size.max() < FEWEST_VOXELS:
        extent = _listed(np.array(volume.size) * volume.spacing)
        raise ImageError(f"{own}: the whole image is {extent} mm large; check its unit of length")
    if voxels > MOST_VOXELS or (coarse > MOST_COARSE and voxels > SMALL_ENOUGH) or gigabytes > _memory_gb():
        raise ImageError(
            f"{own} would become {voxels / 1e6:,.0f} million voxels of {_listed(wanted.spacing_mm)} mm for "
            f"model {description.name} ({gigabytes:,.1f} GB); check the voxel size, or crop the image"
        )


def _listed(lengths: np.ndarray | tuple[float, ...]) -> str:
    return " x ".join(f"{length:.4g}" for length in lengths)


def _memory_gb() -> float:
    """Main memory of the computer; infinite where the system does not report it, as on Windows."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return float("inf")
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
