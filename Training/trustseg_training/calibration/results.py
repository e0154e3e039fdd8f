"""A model's results on labeled images, clean and corrupted, compared with the truth and kept as sums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from trustseg_training.corruptions import CLEAN, Corruption, corrupt
from trustseg_training.dataset import Case, DatasetError, remap
from trustseg_training.evaluation import EvaluatedModel, choose_cases, inspector_of
from trustseg_training.evaluation.processes import with_model
from trustseg_training.metrics import dice
from trustseg_training.metrics.neighborhood import near_structures
from trustseg_training.progress import counted
from TrustSegLib.contract import DEFAULT_MAP
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentationResult, SegmentOptions, segment
from TrustSegLib.inference.prediction import LoadedModel, Uncalibrated

from .error_curve import VoxelTable

#: Of a process that the system killed.
REMEDY = "calibrate again with fewer --jobs"


@dataclass(frozen=True)
class StructureResult:
    """One structure of one image: its raw scores by name, its true volume and its true Dice."""

    scores: Mapping[str, float]
    true_volume_ml: float
    dsc: float


@dataclass(frozen=True, eq=False)
class ImageResult:
    """Results of one image under one condition.

    Attributes
    ----------
    patient, case, condition : str
        Names; the condition is `CLEAN` or a corruption's key.
    structures : mapping of int to StructureResult
        By label.
    near, image : VoxelTable
        Of the voxels near truth or prediction (`near_structures`), and of all.
    """

    patient: str
    case: str
    condition: str
    structures: Mapping[int, StructureResult]
    near: VoxelTable
    image: VoxelTable


def collect_results(
    evaluated: EvaluatedModel,
    data: Path,
    corruptions: Sequence[Corruption],
    cases: int | None = None,
    jobs: int = 1,
    device: str = "auto",
) -> list[ImageResult]:
    """Segment every validation image of a data set, as it is and corrupted.

    Parameters
    ----------
    evaluated : EvaluatedModel
        Run or bundle.
    data : Path
        Data set; `evaluation.choose_cases` chooses the validation patients.
    corruptions : sequence of Corruption
        In addition to the clean images.
    cases : int, optional
        Largest number of images.
    jobs : int
        Number of processes.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    DatasetError
        Naming every image and label that cannot be used.
    TrustSegError
        The model or the data cannot be used, or the system killed a process.
    """
    chosen = choose_cases(evaluated, data, "val")[:cases]
    work = partial(_case_results, corruptions=tuple(corruptions), device=device)
    finished: dict[int, CaseResults] = {}
    carried_out = with_model(evaluated, without_calibration, work, chosen, jobs, REMEDY)
    for place, each in counted(carried_out, f"calibrating {evaluated.name}", len(chosen)):
        finished[place] = each
    found = [each for _, each in sorted(finished.items())]
    problems = [problem for each in found for problem in each.problems]
    if problems:
        raise DatasetError(data, problems)
    return [result for each in found for result in each.results]


def image_results(
    evaluated: EvaluatedModel,
    image: Volume,
    label: Volume,
    names: tuple[str, str],
    corruptions: Sequence[Corruption],
    device: str = "cpu",
) -> Iterator[ImageResult]:
    """Segment an image, clean and under corruptions.

    Corruptions that the image is too small for, or after which it cannot be segmented, are left out.

    Parameters
    ----------
    evaluated : EvaluatedModel
        Its model is uncalibrated and keeps its network in memory.
    image, label : Volume
        As stored.
    names : tuple of str
        Patient and case.
    corruptions : sequence of Corruption
        In addition to `CLEAN`.
    device : str
        Where the network runs.
    """
    truth, seed = remap(label.array, evaluated.label_map)[0], _seed(names[1])
    yield _result(evaluated, image, truth, names, CLEAN, device)
    for corruption in corruptions:
        try:
            changed = corrupt(image, corruption, seed, truth).image
            found = _result(evaluated, changed, truth, names, corruption.key, device)
        except (OptionError, ImageError):  # too small for it, or nothing is left to segment
            continue
        yield found


def compare(
    result: SegmentationResult, truth: np.ndarray, names: tuple[str, str], condition: str
) -> ImageResult:
    """Compare a segmentation with the truth (D, H, W)."""
    prediction, raw = result.labels.array[0], result.maps[DEFAULT_MAP].array[0]
    voxel_ml = result.labels.voxel_volume_ml
    structures = {
        scores.label: StructureResult(
            {name: value for name, value in asdict(scores).items() if name != "label"},
            float((truth == scores.label).sum() * voxel_ml),
            dice(prediction == scores.label, truth == scores.label),
        )
        for scores in result.scores
    }
    wrong, near = prediction != truth, near_structures(truth, prediction)
    tables = VoxelTable.of(raw[near], wrong[near]), VoxelTable.of(raw, wrong)
    return ImageResult(*names, condition, structures, *tables)


@dataclass(frozen=True)
class CaseResults:
    """Results of one case, or the problems of its files."""

    results: tuple[ImageResult, ...]
    problems: tuple[str, ...] = ()


def without_calibration(evaluated: EvaluatedModel) -> EvaluatedModel:
    """The model with its network in memory and without a calibration."""
    return replace(evaluated, model=Uncalibrated(LoadedModel(evaluated.model)))


def _case_results(
    evaluated: EvaluatedModel, case: Case, corruptions: tuple[Corruption, ...], device: str
) -> CaseResults:
    inspector = inspector_of(evaluated)
    volumes = inspector.read(case)
    if volumes is None:
        return CaseResults((), tuple(inspector.problems))
    names = (case.patient, case.name)
    return CaseResults(tuple(image_results(evaluated, *volumes, names, corruptions, device)))


def _result(
    evaluated: EvaluatedModel,
    image: Volume,
    truth: np.ndarray,
    names: tuple[str, str],
    condition: str,
    device: str,
) -> ImageResult:
    result = segment(image, evaluated.model, SegmentOptions(device=device, maps=(DEFAULT_MAP,)))
    return compare(result, truth, names, condition)


def _seed(case: str) -> int:
    """Seed of an image's corruptions; not that of `trustseg-train verify`, whose noise must be new."""
    return int.from_bytes(hashlib.sha256(f"calibrate {case}".encode()).digest()[:4], "big")
