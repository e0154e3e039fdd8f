"""The images that temperature, variance scale and class bias are fitted on: clean ones, and corrupted copies.

A temperature of clean images alone is too low for images that are not: it is fitted on both, the same for
every model of a comparison. One number cannot suit both, so that clean images lose a little. The corruptions
are of one family, so that all others stay unseen, with a seed of their own: neither `trustseg-train verify`
nor the rest of a calibration meets the same noise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from trustseg_training.corruptions import CLEAN, Corruption, corrupt, parse
from trustseg_training.dataset import Case, remap
from trustseg_training.progress import counted
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume

from .cases import on_model_grid, read_case
from .evaluated_model import EvaluatedModel
from .near_voxels import PreparedImage
from .patient_weights import weights

#: Corruptions beside the clean images: noise that is heavy, but leaves the structures recognizable.
SCALE_CONDITIONS = ("gaussian-2dB", "gaussian-0dB")
CORRUPTIONS = tuple(map(parse, SCALE_CONDITIONS))


def scale_images(
    evaluated: EvaluatedModel, cases: Sequence[Case], corruptions: Sequence[Corruption] = CORRUPTIONS
) -> Iterator[PreparedImage]:
    """Every case as it is, and under every corruption that its image is large enough for.

    Parameters
    ----------
    evaluated : EvaluatedModel
        For which the images are prepared.
    cases : sequence of Case
        Of patients who trained nothing.
    corruptions : sequence of Corruption
        In addition to `CLEAN`; may be empty.

    Raises
    ------
    ImageError
        Naming the problems of a file.
    """
    conditions = (CLEAN, *(corruption.key for corruption in corruptions))
    planned = [(case.patient, condition) for case in cases for condition in conditions]
    shares = weights(*map(np.array, zip(*planned, strict=True))) if planned else np.empty(0)
    rows = shares.reshape(-1, len(conditions))
    for case, own in zip(counted(cases, f"scaling {evaluated.name}"), rows, strict=True):
        image, label = read_case(evaluated, case)
        yield _prepared(evaluated, image, label, (case.patient, CLEAN), own[0])
        truth = remap(label.array, evaluated.label_map)[0]
        for corruption, share in zip(corruptions, own[1:], strict=True):
            try:
                changed = corrupt(image, corruption, _seed(case.name), truth).image
                found = _prepared(evaluated, changed, label, (case.patient, corruption.key), share)
            except (OptionError, ImageError):  # out of reach, or unusable: the other images share the weight
                continue
            yield found


def _prepared(
    evaluated: EvaluatedModel, image: Volume, label: Volume, names: tuple[str, str], share: float
) -> PreparedImage:
    prepared, truth = on_model_grid(evaluated, image, label)
    return PreparedImage(*names, prepared.array, truth.array[0].astype(np.int64), float(share))


def _seed(case: str) -> int:
    """Seed of an image's corruptions; neither that of `verify` nor that of `calibration.results`."""
    return int.from_bytes(hashlib.sha256(f"scales {case}".encode()).digest()[:4], "big")
