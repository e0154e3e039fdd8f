"""Stronger random changes through TorchIO: those of the default augmentation are MONAI's.

Some are corruptions of the robustness suites too: `augmented_families` says which.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import torch
import torchio
from monai.transforms import MapTransform, Randomizable
from torch import Tensor

CONTROL_POINTS = 7

#: Largest displacement of a control point, in parts of their distance: from 1/2 on, an image may fold.
DISPLACEMENT = 0.3

_SEEDS = 2**31


class ThroughTorchIO(Randomizable, MapTransform):
    """Elastic deformation, anisotropy, bias field and gamma, each in one of four or five patches.

    TorchIO draws from PyTorch's global numbers. Here they start from a seed of this transform's own and are
    put back afterwards, so that a patch depends on seed, epoch and place in the epoch alone.
    """

    def __init__(self) -> None:
        MapTransform.__init__(self, ["image", "label"])

    def randomize(self, data: object = None) -> int:
        """Draw the seed of a patch."""
        return int(self.R.randint(_SEEDS))

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        """Change ``image`` (C, D, H, W) or (C, H, W), and ``label`` with it; patch and types stay."""
        subject = torchio.Subject(
            image=torchio.ScalarImage(tensor=_columns(data["image"]).float()),
            label=torchio.LabelMap(tensor=_columns(data["label"])),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.randomize())
            subject = _spatial(subject)
            subject = _intensities(subject)
        changed = {"image": subject.image.data, "label": subject.label.data.round()}
        return {
            **data,
            **{name: _rows(value, data[name].ndim).to(data[name].dtype) for name, value in changed.items()},
        }


def _spatial(subject: torchio.Subject) -> torchio.Subject:
    """Deformation of image and label alike, and a coarser axis of the image."""
    shape = subject.spatial_shape
    flat = shape[2] == 1
    # Voxels: the images have no spacing here. A slice has no depth in which anything could move.
    distances = np.array(shape) / (CONTROL_POINTS - 2)
    furthest = DISPLACEMENT * distances * [1, 1, not flat]
    deformation = torchio.RandomElasticDeformation(CONTROL_POINTS, tuple(furthest.tolist()), p=0.25)
    anisotropy = torchio.RandomAnisotropy((0, 1) if flat else (0, 1, 2), downsampling=(1.5, 3.0), p=0.2)
    return anisotropy(deformation(subject))


def _intensities(subject: torchio.Subject) -> torchio.Subject:
    """Bias field and gamma of the patch scaled to [0, 1]: neither makes sense of values below 0."""
    image = subject.image.data
    low = image.amin(dim=(1, 2, 3), keepdim=True)
    width = (image.amax(dim=(1, 2, 3), keepdim=True) - low).clamp_min(torch.finfo(image.dtype).tiny)
    subject.image.set_data(((image - low) / width).clamp(0, 1))
    subject = torchio.RandomBiasField(coefficients=0.3, p=0.25)(subject)
    subject = torchio.RandomGamma(log_gamma=(-0.3, 0.3), p=0.2)(subject)
    subject.image.set_data(subject.image.data * width + low)
    return subject


def _columns(array: Tensor) -> Tensor:
    """As TorchIO has its axes: (C, D, H, W) to (C, W, H, D), a slice (C, H, W) to (C, W, H, 1)."""
    volume = array[:, None] if array.ndim == 3 else array
    return volume.permute(0, 3, 2, 1).contiguous()


def _rows(array: Tensor, dimensions: int) -> Tensor:
    """Back from `_columns`."""
    volume = array.permute(0, 3, 2, 1).contiguous()
    return volume[:, 0] if dimensions == 3 else volume
