"""A TorchIO transform on a `Volume`."""

from __future__ import annotations

import numpy as np
import torch
from torchio import ScalarImage
from torchio.transforms import IntensityTransform

from TrustSegLib.imaging import Volume


def through(transform: IntensityTransform, volume: Volume) -> np.ndarray:
    """Return the voxels that a transform with fixed parameters makes.

    The axes keep their order, z, y, x. The middle of the image stands at the origin, because TorchIO's motion
    turns about the origin of the world instead of the middle of the image.

    Parameters
    ----------
    transform : torchio.transforms.IntensityTransform
        Deterministic, not one of the `Random...` ones.
    volume : Volume
        (C, D, H, W).

    Returns
    -------
    np.ndarray
        float64 (C, D, H, W).
    """
    spacing = np.array(volume.spacing[::-1])
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * volume.shape / 2
    tensor = torch.from_numpy(volume.array.astype(np.float32))
    return transform(ScalarImage(tensor=tensor, affine=affine)).data.numpy().astype(np.float64)
