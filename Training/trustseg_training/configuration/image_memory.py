"""How much memory the prepared images of a data set take, and how much this computer has."""

from __future__ import annotations

import os

import numpy as np

from trustseg_training.dataset.fingerprint import Fingerprint

from .settings import FitConfiguration

_IMAGE, _LABEL = 4, 1  # bytes per voxel: float32 for each channel, uint8

#: Of the memory: the network, its activations and the system need the rest.
_MOST = 0.75


def prepared_bytes(fingerprint: Fingerprint, configuration: FitConfiguration) -> int:
    """Bytes of all images and labels at the spacing of the network."""
    voxels = np.prod(fingerprint.sizes * fingerprint.spacings / configuration.spacing, axis=1).sum()
    return int(voxels * (_IMAGE * len(configuration.channels) + _LABEL))


def machine_bytes() -> int | None:
    """Memory of this computer; None where the system does not tell it (Windows)."""
    if not hasattr(os, "sysconf") or not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(os.sysconf_names):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def reason_for_cache(needed: int, machine: int | None) -> str | None:
    """Why a cache on a disk is needed; None if it is not, or nobody knows."""
    if machine is None or needed <= _MOST * machine:
        return None
    return (
        f"Folder for the prepared images; null to keep all of them in memory. They take {needed / 2**30:.3g} "
        f"GiB, and this computer has {machine / 2**30:.3g}: name a folder on a fast disk, such as cache."
    )
