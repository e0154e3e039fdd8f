"""The parts of real images that a network is sampled on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trustseg_training.corruptions import CLEAN, corrupt, parse
from trustseg_training.dataset import Case, DatasetError, Inspector, known_values, remap
from trustseg_training.evaluation import EvaluatedModel
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Volume, orient, resample
from TrustSegLib.inference.prediction import prepare_image
from TrustSegLib.inference.sliding_window import pad_to_patch


@dataclass(frozen=True, eq=False)
class Crops:
    """Parts of images around their structures, as the network sees them.

    Attributes
    ----------
    images : Tensor
        (N, C, D, H, W) float32.
    cases, conditions : tuple of str
        Whose image each is, and what was done to it.
    """

    images: Tensor
    cases: tuple[str, ...]
    conditions: tuple[str, ...]


def read_crops(
    evaluated: EvaluatedModel,
    cases: Sequence[Case],
    data: Path,
    conditions: Sequence[str],
    shape: tuple[int, int, int],
    seed: int = 0,
) -> Crops:
    """One crop of every case; the conditions take turns.

    A corruption is made on the whole image as it is on the disk, before the image is prepared and cropped.

    Parameters
    ----------
    evaluated : EvaluatedModel
        Whose input is wanted.
    cases : sequence of Case
        Patients that trained nothing.
    data : Path
        Of the data set, for messages.
    conditions : sequence of str
        ``clean``, or corruptions such as ``gaussian-8dB``.
    shape : tuple of int
        (D, H, W); a multiple of the network's size divisor.
    seed : int
        Of the corruptions.

    Raises
    ------
    DatasetError
        Images or labels cannot be used.
    OptionError
        A condition is not known.
    """
    wanted = [None if name == CLEAN else parse(name) for name in conditions]
    known = known_values(evaluated.label_map, len(evaluated.structures) + 1)
    checks = Inspector(evaluated.model.description.channels, known)
    images, names = [], []
    for index, case in enumerate(cases):
        volumes = checks.read(case)
        if volumes is None:
            continue
        image, label = volumes[0], volumes[1].with_array(remap(volumes[1].array, evaluated.label_map))
        if (corruption := wanted[index % len(wanted)]) is not None:
            image = corrupt(image, corruption, _seed_of(case.name, seed), label.array).image
        images.append(_crop(image, label, evaluated, shape))
        names.append((case.name, conditions[index % len(wanted)]))
    if checks.problems:
        raise DatasetError(data, checks.problems)
    return Crops(torch.from_numpy(np.stack(images)), *map(tuple, zip(*names, strict=True)))


def check_shape(shape: tuple[int, ...], divisor: int) -> None:
    """Say which size a network cannot halve often enough.

    Raises
    ------
    OptionError
        A size is not a positive multiple of the divisor.
    """
    for size in shape:
        if size < divisor or size % divisor:
            raise OptionError(f"crop {size}: the network needs multiples of {divisor}; choose one")


def _crop(image: Volume, label: Volume, evaluated: EvaluatedModel, shape: tuple[int, int, int]) -> np.ndarray:
    """(C, D, H, W) around the middle of the structures, within the image."""
    prepared = prepare_image(image, evaluated.model.description)
    label = orient(label, evaluated.model.description.input.orientation)
    if label.array.shape[1:] != prepared.array.shape[1:]:
        label = resample(label, prepared.spacing, "nearest")
    array, _ = pad_to_patch(prepared.array, shape)
    truth, _ = pad_to_patch(label.array, shape)
    inside = np.argwhere(truth[0] > 0)
    full = np.array(array.shape[1:])
    middle = (inside.min(axis=0) + inside.max(axis=0) + 1) // 2 if len(inside) else full // 2
    first = np.clip(middle - np.array(shape) // 2, 0, full - shape)
    box = tuple(slice(start, start + size) for start, size in zip(first, shape, strict=True))
    return np.ascontiguousarray(array[(slice(None), *box)], np.float32)


def _seed_of(case: str, seed: int) -> int:
    """Of one image: another than that of any other image."""
    return int.from_bytes(hashlib.sha256(f"{seed} {case}".encode()).digest()[:4], "big")
