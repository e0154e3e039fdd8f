"""A calibrated model on changed and corrupted images: what failed, and what it said about it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from trustseg_training.corruptions import CLEAN, Corruption, corrupt
from trustseg_training.dataset import Case, remap
from trustseg_training.evaluation import EvaluatedModel, choose_cases, read_case
from trustseg_training.evaluation.processes import with_model
from trustseg_training.metrics.case_ranking import FAILURE_DICE
from trustseg_training.progress import counted
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentOptions, segment
from TrustSegLib.inference.prediction import LoadedModel

from .changes import CHANGES, Changed

#: Share of a structure that the image must at least hide, for a mask of the rest to count as a failure.
HIDDEN = 0.1

_REMEDY = "start again with fewer --jobs"


@dataclass(frozen=True)
class Alarm:
    """One structure of one image under one condition; a row of the table.

    Attributes
    ----------
    patient, case, condition, structure : str
        Names.
    dsc : float
        Against the whole structure: what the image does not show counts as missed.
    hidden : float
        Share of the structure that the image does not show.
    volume_ml, true_volume_ml : float
        Of the mask, and of the whole structure.
    expected_dsc : float or None
        As the model says.
    flag, warnings : str
        Of the structure, and of the case; empty if there is none.
    failed : bool
        The DSC is below .8, or at least a tenth of the structure is hidden.
    """

    patient: str
    case: str
    condition: str
    structure: str
    dsc: float
    hidden: float
    volume_ml: float
    true_volume_ml: float
    expected_dsc: float | None
    flag: str
    warnings: str
    failed: bool

    @property
    def said(self) -> bool:
        """Whether the structure has a flag or its case a warning."""
        return bool(self.flag or self.warnings)


def assess_alarms(
    evaluated: EvaluatedModel,
    data: Path,
    corruptions: Sequence[Corruption],
    split: str = "val",
    cases: int | None = None,
    jobs: int = 1,
    device: str = "cpu",
) -> list[Alarm]:
    """Segment images, clean, under all `CHANGES` and corrupted, as a user would.

    Parameters
    ----------
    evaluated : EvaluatedModel
        A bundle with a calibration.
    data : Path
        Data set with labels.
    corruptions : sequence of Corruption
        Conditions in addition to the clean image and `CHANGES`.
    split : str
        Set of the patients.
    cases : int, optional
        Largest number of images.
    jobs : int
        Number of processes.
    device : str
        Where the network runs.

    Raises
    ------
    OptionError
        The model has no calibration, and so nothing to say.
    TrustSegError
        The model or the data cannot be used.
    """
    if evaluated.model.calibration() is None:
        raise OptionError(
            f"{evaluated.name}: has no calibration, and so no flags; give a bundle that was calibrated"
        )
    chosen = choose_cases(evaluated, data, split)[:cases]
    work = partial(_case_alarms, corruptions=tuple(corruptions), device=device)
    carried_out = with_model(evaluated, _in_memory, work, chosen, jobs, _REMEDY)
    found = dict(counted(carried_out, f"alarms of {evaluated.name}", len(chosen)))
    return [alarm for _, alarms in sorted(found.items()) for alarm in alarms]


def _in_memory(evaluated: EvaluatedModel) -> EvaluatedModel:
    return replace(evaluated, model=LoadedModel(evaluated.model))


def _case_alarms(
    evaluated: EvaluatedModel, case: Case, corruptions: tuple[Corruption, ...], device: str
) -> list[Alarm]:
    image, label = read_case(evaluated, case)
    truth = label.with_array(remap(label.array, evaluated.label_map))
    found = []
    for condition, changed in _conditions(image, truth, case.name, corruptions):
        found += _alarms(evaluated, changed, case, condition, device)
    return found


def _conditions(
    image: Volume, truth: Volume, case: str, corruptions: tuple[Corruption, ...]
) -> Iterator[tuple[str, Changed]]:
    """The image under every condition; those that it is too small for are left out."""
    yield CLEAN, Changed(image, truth)
    seed = zlib.crc32(f"alarms {case}".encode())  # not that of `calibrate`: its noise must be new
    for name, change in CHANGES.items():
        try:
            changed = change(image, truth, np.random.default_rng([seed, zlib.crc32(name.encode())]))
        except ImageError:
            continue
        yield name, changed
    for corruption in corruptions:
        try:
            corrupted = corrupt(image, corruption, seed, truth.array[0]).image
        except (OptionError, ImageError):
            continue
        yield corruption.key, Changed(corrupted, truth)


def _alarms(
    evaluated: EvaluatedModel, changed: Changed, case: Case, condition: str, device: str
) -> Iterator[Alarm]:
    """Of all structures; none where the image is refused, which is no result and so no failure of one."""
    try:
        result = segment(changed.image, evaluated.model, SegmentOptions(device=device))
    except ImageError:
        return
    voxel_ml = changed.truth.voxel_volume_ml
    for row in result.structures:
        mask, truth = result.labels.array == row.label, changed.truth.array == row.label
        hidden_ml = changed.hidden_ml.get(row.label, 0.0)
        whole_ml = float(truth.sum() * voxel_ml) + hidden_ml
        both = row.volume_ml + whole_ml
        dsc = float(2 * (mask & truth).sum() * voxel_ml / both) if both else 1.0
        hidden = hidden_ml / whole_ml if whole_ml else 0.0
        yield Alarm(
            case.patient,
            case.name,
            condition,
            row.name,
            dsc,
            hidden,
            row.volume_ml,
            whole_ml,
            row.expected_dsc,
            row.flag or "",
            " | ".join(result.case.warnings),
            dsc < FAILURE_DICE or hidden >= HIDDEN,
        )
