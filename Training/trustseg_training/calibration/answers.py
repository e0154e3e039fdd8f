"""What a model says of labelled images, and how much of it is true, in numbers that are small to keep."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from trustseg_training.corruptions import Corruption, corrupt
from trustseg_training.dataset import Case, DatasetError, Inspector, known_values, remap
from trustseg_training.evaluation import EvaluatedModel, LoadedModel, choose_cases
from trustseg_training.evaluation.near_voxels import near_mask
from trustseg_training.evaluation.processes import in_processes
from trustseg_training.metrics import dice
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentationResult, SegmentOptions, segment
from TrustSegLib.inference.prediction import Uncalibrated

from .cases import CLEAN
from .error_curve import VoxelTable
from .region_review import Review, review

_REMEDY = "calibrate again with fewer --jobs"


@dataclass(frozen=True)
class Answered:
    """What came of one case: its answers, or what is wrong with its files."""

    answers: tuple[ImageAnswer, ...]
    problems: tuple[str, ...] = ()


def collect_answers(
    subject: EvaluatedModel,
    data: Path,
    corruptions: Sequence[Corruption],
    cases: int | None = None,
    jobs: int = 1,
    device: str = "auto",
) -> list[ImageAnswer]:
    """Segment every validation image of a data set, as it is and corrupted.

    Parameters
    ----------
    subject : Subject
        Run or bundle.
    data : Path
        Data set; see `judging.choose_cases` for which patients are for validation.
    corruptions : sequence of Corruption
        Beside the clean images.
    cases : int, optional
        At most so many images.
    jobs : int
        Processes.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    DatasetError
        Images or labels cannot be used: every one.
    TrustSegError
        The model or the data cannot be used, or the system has ended a process.
    """
    chosen = choose_cases(subject, data, "val")[:cases]
    work = partial(_answer_case, corruptions=tuple(corruptions), device=device)
    answered: dict[int, Answered] = {}
    with tqdm(total=len(chosen), desc=f"calibrating {subject.name}", unit="image", disable=None) as bar:
        for place, each in _carried_out(subject, work, chosen, jobs):
            answered[place] = each
            bar.update()
    found = [each for _, each in sorted(answered.items())]
    problems = [problem for each in found for problem in each.problems]
    if problems:
        raise DatasetError(data, problems)
    return [answer for each in found for answer in each.answers]


def _carried_out(
    subject: EvaluatedModel, work: partial, cases: Sequence[Case], jobs: int
) -> Iterator[tuple[int, Answered]]:
    """What came of each case, with its place: processes are not done in order."""
    if jobs == 1:
        yield from enumerate(map(partial(work, _ready(subject)), cases))
        return
    threads = max((os.cpu_count() or 1) // jobs, 1)
    yield from in_processes(partial(_in_process, work), cases, jobs, _REMEDY, _start, (subject, threads))


def _ready(subject: EvaluatedModel) -> EvaluatedModel:
    """With its network in memory, and without a calibration."""
    return replace(subject, model=Uncalibrated(LoadedModel(subject.model)))


#: Of a process of its own; the parent process has none.
_OWN: list[EvaluatedModel] = []


def _start(subject: EvaluatedModel, threads: int) -> None:
    torch.set_num_threads(threads)
    _OWN.append(subject)


@cache
def _own() -> EvaluatedModel:
    """The network is made once for each process, by its first case: at the start an error would be lost."""
    return _ready(_OWN[0])


def _in_process(work: partial, case: Case) -> Answered:
    return work(_own(), case)


def _answer_case(
    subject: EvaluatedModel, case: Case, corruptions: tuple[Corruption, ...], device: str
) -> Answered:
    known = known_values(subject.label_map, len(subject.structures) + 1)
    checks = Inspector(subject.model.description.channels, known)
    volumes = checks.read(case)
    if volumes is None:
        return Answered((), tuple(checks.problems))
    names = (case.patient, case.name)
    return Answered(tuple(answers(subject, *volumes, names, corruptions, device)))


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
    subject: EvaluatedModel,
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
    subject: EvaluatedModel,
    image: Volume,
    truth: np.ndarray,
    names: tuple[str, str],
    condition: str,
    device: str,
) -> ImageAnswer:
    result = segment(image, subject.model, SegmentOptions(device=device, maps=(ERROR,)))
    return compare(result, truth, names, condition)


def _seed(case: str) -> int:
    """Of an image's corruptions; not those of `trustseg-train verify`, whose noise is to be new."""
    return int.from_bytes(hashlib.sha256(f"calibrate {case}".encode()).digest()[:4], "big")
