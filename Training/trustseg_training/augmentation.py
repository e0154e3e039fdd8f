"""Random changes that keep a scan plausible, through MONAI.

There is no noise among them: robustness that comes from training on the test's own corruption is not
robustness.
"""

from __future__ import annotations

import math

from monai import transforms

_BOTH = ["image", "label"]


def patches(patch_shape: tuple[int, int, int]) -> transforms.Compose:
    """Cut a patch of (D, H, W) out of a sample and change it at random.

    Volumes smaller than the patch are filled up with their border voxels, as inference does. Mirroring is
    left-right only (the last axis in RAS): the data hold both sides of the body.
    """
    return transforms.Compose(
        [
            transforms.SpatialPadd(_BOTH, patch_shape, mode="edge"),
            transforms.RandSpatialCropd(_BOTH, patch_shape, random_size=False),
            transforms.RandFlipd(_BOTH, prob=0.5, spatial_axis=2),
            transforms.RandAffined(
                _BOTH,
                prob=0.7,
                rotate_range=math.radians(15),
                scale_range=0.15,
                shear_range=0.05,
                translate_range=2,
                mode=("bilinear", "nearest"),
                padding_mode="border",
            ),
            transforms.RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.4), retain_stats=True),
            transforms.RandScaleIntensityd("image", prob=0.3, factors=0.15),
            transforms.RandShiftIntensityd("image", prob=0.3, offsets=0.15),
            transforms.RandGaussianSmoothd(
                "image", prob=0.1, sigma_x=(0.25, 0.8), sigma_y=(0.25, 0.8), sigma_z=(0.25, 0.8)
            ),
        ]
    )
