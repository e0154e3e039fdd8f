"""Artifacts of resolution: blur and larger voxels, both isotropic in mm.

Strengths are multiples of the smallest voxel edge, and work in mm: an axis with larger voxels is affected
less, in voxels, than the finest one, as by a scanner with a wider point spread.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn, idctn
from torchio.transforms import Blur

from TrustSegLib.imaging import Volume

from .artifact import Artifact
from .through_torchio import through

_SPATIAL = (1, 2, 3)


def _blur(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Gaussian point spread with a standard deviation of ``strength`` times the smallest voxel edge."""
    return through(Blur((strength * min(volume.spacing),) * 3), volume)


def _downsampling(volume: Volume, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Voxels of ``strength`` times the smallest edge, brought back onto the same grid.

    What finer voxels would add is left out of the spectrum, as in a scan of fewer lines that is zero-filled.
    The spectrum is the cosine transform's, which sees no step between opposite faces. Its k-th line along an
    axis of N voxels of s mm has k / (2 N s) periods per mm, and voxels of t mm carry up to 1 / (2 t). An axis
    whose voxels are larger already stays as it is.
    """
    edge = strength * min(volume.spacing)
    spectrum = dctn(volume.array, axes=_SPATIAL, norm="ortho")
    for axis, length, own in zip(_SPATIAL, volume.shape, volume.spacing[::-1], strict=True):
        kept = np.arange(length) < max(1, round(length * min(own / edge, 1)))
        spectrum *= np.expand_dims(kept, [other for other in range(4) if other != axis])
    return idctn(spectrum, axes=_SPATIAL, norm="ortho")


RESOLUTION_ARTIFACTS: dict[str, Artifact] = {
    "blur": Artifact((0.45, 0.65, 0.9, 1.2, 1.6), _blur),
    "downsampling": Artifact((1.4, 1.8, 2.3, 3.0, 4.0), _downsampling),
}
