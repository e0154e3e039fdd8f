"""What a model says of one labelled image, and how much of it is true, in numbers that are small to keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from trustseg_training.corruptions import Corruption, corrupt
from trustseg_training.dataset import remap
from trustseg_training.judging import Subject
from trustseg_training.judging.near_voxels import near_mask
from trustseg_training.measures import dice
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentationResult, SegmentOptions, segment

from .conditions import CLEAN
from .region_review import Review, review
from .voxel_table import VoxelTable

ERROR = "error_probability"


@dataclass(frozen=True)
class StructureAnswer:
    """One structure of one image: its raw scores by name, its true volume, the Dice of mask and truth."""

    scores: Mapping[str, float]
    true_volume_ml: float
    dsc: float


@dataclass(frozen=True, eq=False)
class ImageAnswer:
    """One image under one condition.

    Attributes
    ----------
    patient, case, condition : str
        Names; the condition is `CLEAN` or a corruption's key.
    structures : mapping of int to StructureAnswer
        By label.
    near, image : VoxelTable
        Of the voxels near truth or prediction (`near_voxels.near_mask`), and of all.
    review : Review
        What a look at the regions finds.
    """

    patient: str
    case: str
    condition: str
    structures: Mapping[int, StructureAnswer]
    near: VoxelTable
    image: VoxelTable
    review: Review


def answers(
    subject: Subject,
    image: Volume,
    label: Volume,
    names: tuple[str, str],
    corruptions: Sequence[Corruption],
    device: str = "cpu",
) -> Iterator[ImageAnswer]:
    """Segment an image as it is and under corruptions.

    A corruption that an image is too small for is left out.

    Parameters
    ----------
    subject : Subject
        Whose model carries no calibration of its own, and keeps its network.
    image, label : Volume
        As they are on the disk.
    names : tuple of str
        Patient and case.
    corruptions : sequence of Corruption
        Beside `CLEAN`.
    device : str
        Where the network runs.
    """
    truth, seed = remap(label.array, subject.label_map)[0], _seed(names[1])
    yield _answer(subject, image, truth, names, CLEAN, device)
    for corruption in corruptions:
        try:
            changed = corrupt(image, corruption, seed, truth).image
        except (OptionError, ImageError):
            continue
        yield _answer(subject, changed, truth, names, corruption.key, device)


def compare(
    result: SegmentationResult, truth: np.ndarray, names: tuple[str, str], condition: str
) -> ImageAnswer:
    """Hold a segmentation against the truth (D, H, W)."""
    prediction, raw = result.labels.array[0], result.maps[ERROR].array[0]
    voxel_ml = result.labels.voxel_volume_ml
    structures = {
        scores.label: StructureAnswer(
            {name: value for name, value in asdict(scores).items() if name != "label"},
            float((truth == scores.label).sum() * voxel_ml),
            dice(prediction == scores.label, truth == scores.label),
        )
        for scores in result.scores
    }
    wrong, near = prediction != truth, near_mask(truth, prediction)
    tables = VoxelTable.of(raw[near], wrong[near]), VoxelTable.of(raw, wrong)
    looked = review(result.maps[ERROR], result.labels, truth)
    return ImageAnswer(*names, condition, structures, *tables, looked)


def _answer(
    subject: Subject, image: Volume, truth: np.ndarray, names: tuple[str, str], condition: str, device: str
) -> ImageAnswer:
    result = segment(image, subject.model, SegmentOptions(device=device, maps=(ERROR,)))
    return compare(result, truth, names, condition)


def _seed(case: str) -> int:
    """Of an image's corruptions; not those of `trustseg-train verify`, whose noise is to be new."""
    return int.from_bytes(hashlib.sha256(f"calibrate {case}".encode()).digest()[:4], "big")
