"""The plan of the work on an image, before it starts: voxels that the network would see, and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
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
WORTH_SAYING = 20
"""Patches to compute from which on a plan is worth a line: fewer take seconds."""
_BYTES = 8
"""Of a voxel of each channel: resampled and normalized, both float32."""
_LIBRARIES_GB = 0.4
"""Of Python, PyTorch and the network's layers, before there is an image."""
_CHUNK_GB = 0.3
"""Class moments on the image's grid that are made at a time, with what is made of them."""


@dataclass(frozen=True)
class Plan:
    """The work on an image, known once it is resampled.

    Attributes
    ----------
    size : tuple of int
        Voxels of the image along x, y, z.
    seen : tuple of int
        Voxels that the network sees along x, y, z, on its own grid.
    spacing_mm : tuple of float
        Of these.
    patches : int
        That cover what the network sees.
    computed : int
        Of these, those that have to be computed: patches of one value throughout, such as air, have one
        answer.
    memory_gb : float
        Main memory at its peak, roughly.
    """

    size: tuple[int, int, int]
    seen: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    patches: int
    computed: int
    memory_gb: float

    @property
    def is_long(self) -> bool:
        """Whether the work takes long enough to say what it will be."""
        return self.computed >= WORTH_SAYING

    def __str__(self) -> str:
        known = self.patches - self.computed
        of_air = f" ({known} more are air or padding)" if known else ""
        seen = f"the network sees {_listed(self.seen)} of {_listed(self.spacing_mm)} mm"
        return (
            f"{_listed(self.size)} voxels; {seen} in {self.computed} patches{of_air}; "
            f"about {self.memory_gb:.1f} GB of memory"
        )


def memory_gb(
    volume: Volume,
    seen: tuple[int, int, int],
    description: ModelDescription,
    maps: int,
    most_moments_gb: float,
) -> float:
    """Estimate main memory at its peak, in GB: that of resampling, or of the result with its pictures.

    Parameters
    ----------
    volume : Volume
        The image.
    seen : tuple of int
        `(D, H, W)` voxels of the model's grid.
    description : ModelDescription
        Of the model.
    maps : int
        Number of those asked for.
    most_moments_gb : float
        Memory budget of the class moments; beyond, they go to files.
    """
    voxels, own = float(np.prod(volume.shape, dtype=float)), volume.array.itemsize * volume.channels
    # Turned, as float32, and smoothed: each once, beside the image.
    preparing = voxels * (2 * own + 8)
    # Mask and maps; mask, one map and the image are turned for pictures.
    result = voxels * (2 * own + 2 + 4 * (maps + 1))
    moments = 8.0 * description.classes * float(np.prod(seen, dtype=float))
    result += min(moments, most_moments_gb * 1e9)
    return _LIBRARIES_GB + _CHUNK_GB + max(preparing, result) / 1e9


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
