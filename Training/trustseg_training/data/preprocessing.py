"""From files to the arrays a network sees, in the same way as inference does."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import numpy as np
import torch

from trustseg_training.config import FitConfiguration
from trustseg_training.dataset import Case, DatasetError, Inspector, known_values, remap
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, normalize, orient, resample


class Sample(TypedDict):
    """One image in memory: ``image`` (C, D, H, W) float32 and ``label`` (1, D, H, W) uint8."""

    name: str
    image: torch.Tensor
    label: torch.Tensor


def inspector(configuration: FitConfiguration) -> Inspector:
    """The checks that the data of this configuration have to pass."""
    known = known_values(configuration.label_map, configuration.network.classes)
    return Inspector(configuration.channels, known)


def prepare(case: Case, configuration: FitConfiguration) -> Sample:
    """Read, check, orient, resample and normalize one image.

    Raises
    ------
    DatasetError
        The image or its label cannot be used.
    """
    checks = inspector(configuration)
    volumes = checks.read(case)
    if volumes is None:
        raise DatasetError(Path(configuration.data), checks.problems)
    return to_sample(case, *volumes, configuration)


def to_sample(case: Case, image: Volume, label: Volume, configuration: FitConfiguration) -> Sample:
    """Map the label's values, orient, resample and normalize an image that was read."""
    label = label.with_array(remap(label.array, configuration.label_map))
    image, label = (orient(volume, configuration.orientation) for volume in (image, label))
    if not np.allclose(image.spacing, configuration.spacing, rtol=1e-3):
        image = resample(image, configuration.spacing)
        label = resample(label, configuration.spacing, "nearest")
    try:
        image = normalize(image, configuration.normalization)
    except ImageError as error:
        raise ImageError(f"{case.images[0]}: {error}") from error
    return Sample(
        name=case.name,
        image=torch.from_numpy(np.ascontiguousarray(image.array, np.float32)),
        label=torch.from_numpy(np.ascontiguousarray(label.array, np.uint8)),
    )
