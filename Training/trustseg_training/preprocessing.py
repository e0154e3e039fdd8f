"""From files to the arrays a network sees, in the same way as inference does."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import torch

from TrustSegLib.imaging import normalize, orient, resample

from .cases import Case
from .configuration import FitConfiguration


class Sample(TypedDict):
    """One patient in memory: ``image`` (C, D, H, W) float32 and ``label`` (1, D, H, W) uint8."""

    name: str
    image: torch.Tensor
    label: torch.Tensor


def prepare(case: Case, configuration: FitConfiguration) -> Sample:
    """Read, orient, resample and normalize one patient."""
    image, label = case.read(configuration.network.classes)
    image, label = (orient(volume, configuration.orientation) for volume in (image, label))
    if not np.allclose(image.spacing, configuration.spacing, rtol=1e-3):
        image = resample(image, configuration.spacing)
        label = resample(label, configuration.spacing, "nearest")
    image = normalize(image, configuration.normalization)
    return Sample(
        name=case.name,
        image=torch.from_numpy(np.ascontiguousarray(image.array, np.float32)),
        label=torch.from_numpy(np.ascontiguousarray(label.array, np.uint8)),
    )
