"""Review of the marked regions: the errors found there, against reviewing as many voxels elsewhere.

A mask's boundary is wrong by a voxel nearly everywhere, which changes little and which no list of places can
fix. What matters are thick errors; the regions are meant to lead to them. They are found on the map that
people see: every clean image has the curve that was chosen and fitted on the other patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from trustseg_training.corruptions import CLEAN
from trustseg_training.dataset import Case, remap
from trustseg_training.evaluation import EvaluatedModel, choose_cases, inspector_of
from trustseg_training.evaluation.processes import with_model
from trustseg_training.progress import counted
from TrustSegLib.contract import DEFAULT_MAP
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentOptions, segment
from TrustSegLib.uncertainty import Calibration
from TrustSegLib.uncertainty.regions import boundary_voxels, mark_regions

from .cases import folds, weights
from .curve_choice import RAW, CurveCases, chosen_curve, make_curve
from .error_curve import ErrorCurve
from .results import REMEDY, without_calibration

#: Errors above this thickness, in voxels, exceed the boundary's last voxel: 1.41 is an edge neighbor.
THICK = 1.5

#: Where a review looks.
PLACES = ("in_regions", "most_uncertain", "in_rim")


@dataclass(frozen=True)
class Found:
    """Wrong voxels in a place, and how many of them belong to thick errors."""

    wrong: float
    thick: float


@dataclass(frozen=True)
class Review:
    """Review of one image.

    Attributes
    ----------
    regions, voxels : int
        Number of regions, and of the voxels in them.
    everywhere : Found
        In the whole image.
    in_regions : Found
        In the regions.
    most_uncertain : Found
        In as many voxels: those with the highest error probability.
    rim_voxels : int
        As many as in the regions, or all voxels on both sides of the mask's surface if these are fewer.
    in_rim : Found
        In that many voxels of the rim, in expectation over a random choice.
    """

    regions: int
    voxels: int
    everywhere: Found
    in_regions: Found
    most_uncertain: Found
    rim_voxels: int
    in_rim: Found


def curves_of_others(cases: CurveCases, content: Mapping[str, Any] | None) -> dict[str, ErrorCurve]:
    """The curve of each patient's map: chosen and fitted on the other patients.

    Parameters
    ----------
    cases : CurveCases
        All images.
    content : mapping or None
        Of `calibration.json`. If it has no curve that passed its check, people see the raw map.
    """
    if content is None or Calibration.parse(content).curve is None:
        return dict.fromkeys(cases.patient.tolist(), make_curve(RAW, cases))
    found = {}
    for fit, left_out in folds(cases.patient):
        found |= dict.fromkeys(cases.patient[left_out].tolist(), chosen_curve(cases.take(fit)))
    return found


def review_clean_images(
    evaluated: EvaluatedModel,
    data: Path,
    curves: Mapping[str, ErrorCurve],
    jobs: int = 1,
    device: str = "auto",
) -> dict[str, list[Review]]:
    """Segment the validation images anew and review the regions on their calibrated maps.

    Parameters
    ----------
    evaluated : EvaluatedModel
        Run or bundle.
    data : Path
        Data set.
    curves : mapping of str to ErrorCurve
        Of the patients; others are left out.
    jobs : int
        Number of processes.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    dict
        Of each patient, the reviews of the images.

    Raises
    ------
    TrustSegError
        The model or the data cannot be used, or the system killed a process.
    """
    chosen = [case for case in choose_cases(evaluated, data, "val") if case.patient in curves]
    work = partial(_reviewed, curves=curves, device=device)
    carried_out = with_model(evaluated, without_calibration, work, chosen, jobs, REMEDY)
    found: dict[str, list[Review]] = {}
    for _, (patient, own) in counted(carried_out, f"reviewing {evaluated.name}", len(chosen)):
        found.setdefault(patient, []).extend(own)
    return found


def _reviewed(
    evaluated: EvaluatedModel, case: Case, curves: Mapping[str, ErrorCurve], device: str
) -> tuple[str, list[Review]]:
    volumes = inspector_of(evaluated).read(case)
    if volumes is None:  # has been reported with the results
        return case.patient, []
    image, label = volumes
    result = segment(image, evaluated.model, SegmentOptions(device=device, maps=(DEFAULT_MAP,)))
    raw = result.maps[DEFAULT_MAP]
    shown = raw.with_array(curves[case.patient](raw.array).astype(np.float32))
    return case.patient, [review(shown, result.labels, remap(label.array, evaluated.label_map)[0])]


def review(error: Volume, labels: Volume, truth: np.ndarray) -> Review:
    """Review the regions of a segmentation, and as many voxels elsewhere.

    Parameters
    ----------
    error, labels : Volume
        `(1, D, H, W)`: error probability and mask.
    truth : np.ndarray
        (D, H, W) labels.
    """
    prediction = labels.array[0]
    thickness = error_thickness(prediction, truth)
    marked = mark_regions(error, labels)
    count = int(np.count_nonzero(marked))
    highest = np.zeros(truth.size, dtype=bool)
    highest[np.argsort(-error.array[0], axis=None, kind="stable")[:count]] = True
    rim = boundary_voxels(prediction)
    rim_voxels = min(count, int(rim.sum()))
    share = rim_voxels / max(int(rim.sum()), 1)
    return Review(
        int(marked.max(initial=0)),
        count,
        _found(thickness, np.ones(truth.shape, dtype=bool)),
        _found(thickness, marked > 0),
        _found(thickness, highest.reshape(truth.shape)),
        rim_voxels,
        _found(thickness, rim, share),
    )


def error_thickness(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Thickness of the error that each voxel belongs to, in voxels (D, H, W); 0 where the label is right.

    The larger of two distances: to the nearest voxel whose true label is the one predicted here, and to the
    nearest voxel predicted as the label that is true here. In a layer of n wrong voxels both run from 1 to n,
    in opposite directions. Infinite where there is no such voxel.
    """
    thickness = np.zeros(truth.shape)
    wrong = prediction != truth
    for label in np.unique([prediction[wrong], truth[wrong]]):
        for here, there in ((prediction, truth), (truth, prediction)):
            own, other = wrong & (here == label), there == label
            distance = distance_transform_edt(~other) if other.any() else np.full(truth.shape, np.inf)
            thickness[own] = np.maximum(thickness[own], distance[own])
    return thickness


def _found(thickness: np.ndarray, place: np.ndarray, share: float = 1.0) -> Found:
    inside = thickness[place]
    return Found(share * float((inside > 0).sum()), share * float((inside > THICK).sum()))


def region_figures(reviews: Mapping[str, Sequence[Review]]) -> dict[str, float | None]:
    """Reviews summed over all images; every patient counts once.

    Returns
    -------
    dict
        ``regions`` and ``voxels``, means over the images; ``thick``, mean number of voxels of thick errors;
        and for each of `PLACES` ``<place>_wrong``, the share of its voxels that are wrong, and
        ``<place>_thick``, the share of all thick errors that lie in it. None where the denominator is 0.
        Empty without an image.
    """
    every = [(patient, each) for patient, own in reviews.items() for each in own]
    if not every:
        return {}
    weight = weights(np.array([patient for patient, _ in every]), np.full(len(every), CLEAN))
    return dict(_shares([each for _, each in every], weight))


def _shares(reviews: Sequence[Review], weight: np.ndarray) -> Iterator[tuple[str, float | None]]:
    voxels = _sum([each.voxels for each in reviews], weight)
    rim = _sum([each.rim_voxels for each in reviews], weight)
    thick = _sum([each.everywhere.thick for each in reviews], weight)
    yield "regions", _sum([each.regions for each in reviews], weight) / weight.sum()
    yield "voxels", voxels / weight.sum()
    yield "thick", thick / weight.sum()
    for place in PLACES:
        parts: list[Found] = [getattr(each, place) for each in reviews]
        reviewed = rim if place == "in_rim" else voxels
        yield f"{place}_wrong", _share(_sum([part.wrong for part in parts], weight), reviewed)
        yield f"{place}_thick", _share(_sum([part.thick for part in parts], weight), thick)


def _sum(values: Sequence[float], weight: np.ndarray) -> float:
    return float(np.asarray(values, float) @ weight)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
