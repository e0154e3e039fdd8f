"""Random changes that keep a scan plausible, through MONAI; further ones, through TorchIO, are ``strong``.

There is no noise among them: robustness that comes from training on the test's own corruption is not
robustness. ``noise`` adds that of one kind, Gaussian, to the strong ones: reports mark that a network has
seen this noise in training, and none of the others. ``planning_ct`` changes shapes alike and, in place of
intensities, what a scanner and a treatment room do to a CT.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from monai import transforms

from trustseg_training.config import FitConfiguration

from .planning_ct import PlanningRoom, WiderField

_BOTH = ["image", "label"]

#: Largest standard deviation of the noise, in those of the image. On crops of the hippocampus, by their
#: range, 2 is about 4 dB and 3 about 0 dB.
_NOISE = 3.0


def training(configuration: FitConfiguration) -> transforms.Compose:
    """Cut a patch out of a sample and, unless ``augmentation`` is ``none``, change it at random.

    Volumes smaller than the patch are filled up with their border voxels, as inference does. In two
    dimensions the patch is of one slice, and (C, D, H, W) becomes (C, H, W).
    """
    flat = configuration.dimensions == 2
    steps = [transforms.SpatialPadd(_BOTH, configuration.patch_shape, mode="edge"), _crop(configuration)]
    if flat:
        steps.append(transforms.SqueezeDimd(_BOTH, dim=1))
    if configuration.augmentation != "none":
        steps += _shapes(configuration)
    if configuration.augmentation == "planning_ct":
        return transforms.Compose([WiderField(configuration), *steps, PlanningRoom(configuration)])
    if configuration.augmentation != "none":
        steps += _intensities()
    if configuration.augmentation in ("strong", "noise"):
        from .strong_augmentation import ThroughTorchIO  # which takes a second to load

        steps.append(ThroughTorchIO())
    if configuration.augmentation == "noise":
        steps.append(transforms.RandGaussianNoised("image", prob=0.4, std=_NOISE, sample_std=True))
    return transforms.Compose(steps)


def _crop(configuration: FitConfiguration) -> transforms.MapTransform:
    """A patch anywhere, or in a share of the draws around a voxel of a structure."""
    shape, share = configuration.patch_shape, configuration.foreground_share
    if share == 0:
        return transforms.RandSpatialCropd(_BOTH, shape, random_size=False)
    return _AroundStructures(_BOTH, "label", shape, pos=share, neg=1 - share)


class _AroundStructures(transforms.RandCropByPosNegLabeld):
    """MONAI's crop, which returns a list, for one patch."""

    def __call__(self, data, lazy: bool | None = None):
        return super().__call__(data, lazy)[0]


class Mirror(transforms.RandFlipd):
    """Left and right exchanged in every other patch, with the labels of structures that have a side."""

    def __init__(self, axis: int, labels: np.ndarray) -> None:
        super().__init__(_BOTH, prob=0.5, spatial_axis=axis)
        self.labels = torch.from_numpy(labels)

    def __call__(self, data, lazy: bool | None = None):
        changed = super().__call__(data, lazy)
        if self._do_transform:
            changed["label"] = self.labels[changed["label"].long()].to(data["label"].dtype)
        return changed


def mirrored_labels(configuration: FitConfiguration) -> np.ndarray:
    """(classes,) label that each label becomes in the mirror, by ``mirrored_pairs``."""
    labels = np.arange(len(configuration.structures) + 1)
    for pair in configuration.mirrored_pairs.items():
        one, other = (configuration.structures.index(name) + 1 for name in pair)
        labels[[one, other]] = other, one
    return labels


def _shapes(configuration: FitConfiguration) -> list[transforms.Transform]:
    """Mirroring, of left and right only, and affine changes."""
    mirror = []
    axis = 2 - next(place for place, letter in enumerate(configuration.orientation) if letter in "LR")
    axis -= configuration.dimensions == 2
    if axis >= 0:  # else the slices are sagittal: each is its own mirror image
        mirror = [Mirror(axis, mirrored_labels(configuration))]
    return [
        *mirror,
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
    ]


def _intensities() -> list[transforms.Transform]:
    return [
        transforms.RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.4), retain_stats=True),
        transforms.RandScaleIntensityd("image", prob=0.3, factors=0.15),
        transforms.RandShiftIntensityd("image", prob=0.3, offsets=0.15),
        transforms.RandGaussianSmoothd(
            "image", prob=0.1, sigma_x=(0.25, 0.8), sigma_y=(0.25, 0.8), sigma_z=(0.25, 0.8)
        ),
    ]
