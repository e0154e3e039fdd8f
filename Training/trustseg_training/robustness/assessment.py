"""All measures of one prediction: a mask and its class moments against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from trustseg_training.dataset import region_masks
from trustseg_training.metrics import agreement, union_and_cut
from trustseg_training.metrics.calibration_error import reliability
from trustseg_training.metrics.decomposition import (
    decompose_predicted,
    entropy,
    error_probability,
    share_within_bound,
)
from trustseg_training.metrics.error_detection import error_detection
from trustseg_training.metrics.expected_dice import expected_dice
from trustseg_training.metrics.filtering import (
    FRACTIONS,
    delta_dice,
    filtering_curves,
    most_uncertain,
)
from trustseg_training.metrics.mask_agreement import surface_dice, surface_distances
from trustseg_training.metrics.neighborhood import near_structures, within
from TrustSegLib.contract import map_display

Record = dict[str, Any]
"""Plain values by name, as in JSON."""

UNCERTAINTIES = ("error_probability", "predictive_variance", "entropy")


def assess(
    mean: np.ndarray,
    variance: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, float, float],
    unions: Mapping[str, Sequence[int]],
) -> Record:
    """Measure one prediction.

    Parameters
    ----------
    mean, variance : np.ndarray
        (K, D, H, W) moments of the class probabilities.
    truth : np.ndarray
        (D, H, W) labels.
    spacing : tuple of float
        (x, y, z) mm.
    unions : mapping of str to sequence of int
        Labels of every structure and region, by name.

    Returns
    -------
    dict
        ``structures``: a record for each; ``union_and_cut``: Dice and HD95 by `metrics.union_and_cut`;
        ``detection`` of wrong voxels by each uncertainty, near the structures and in the whole image;
        ``scores``: one number per case, higher for less trust; ``reliability``: sums near the structures;
        ``parts``: mean aleatoric and epistemic variance there; ``within_bound``: share of all voxels whose
        variance is possible.
    """
    prediction = mean.argmax(axis=0)
    maps = uncertainties(mean, variance)
    band, near = within(prediction > 0), near_structures(truth, prediction)
    record = {
        "structures": _structures(prediction, truth, mean, maps, spacing, unions, band),
        "union_and_cut": {
            title: asdict(found)
            for title, found in union_and_cut(prediction, truth, spacing, _labels(unions)).items()
        },
        "detection": _detection(maps, prediction != truth, near),
        "scores": scores(mean, maps, prediction, unions, band),
        "reliability": asdict(reliability(mean[:, near].T, truth[near])),
        "within_bound": share_within_bound(mean, variance),
    }
    return record | {"parts": _parts(mean[:, near], variance[:, near])}


def _labels(unions: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The structures among structures and regions: each has a label to itself, and is before all regions."""
    single = {labels[0]: name for name, labels in reversed(unions.items()) if len(labels) == 1}
    return {name: label for label, name in sorted(single.items()) if label}


def uncertainties(mean: np.ndarray, variance: np.ndarray) -> dict[str, np.ndarray]:
    """All `UNCERTAINTIES` as maps (D, H, W); the variance is that of the predicted class."""
    label = mean.argmax(axis=0)[None]
    return {
        "error_probability": error_probability(mean),
        "predictive_variance": np.take_along_axis(variance, label, axis=0)[0],
        "entropy": entropy(mean),
    }


def scores(
    mean: np.ndarray,
    maps: Mapping[str, np.ndarray],
    prediction: np.ndarray,
    unions: Mapping[str, Sequence[int]],
    band: np.ndarray,
) -> dict[str, float]:
    """One number per case, computed without the truth; higher for less trust.

    ``mean_<uncertainty>`` near the prediction, or the largest possible value where nothing was predicted, and
    ``expected_dice``: one less the mean expected Dice of the structures. A structure without a voxel counts
    as missed, as every training image has it.
    """
    classes = len(mean)
    means = {
        f"mean_{name}": float(values[band].mean()) if band.any() else map_display(name, classes).largest
        for name, values in maps.items()
    }
    masks = region_masks(prediction, unions)
    expected = [
        expected_dice(probability(mean, labels), masks[name]) if masks[name].any() else 0.0
        for name, labels in unions.items()
    ]
    return {**means, "expected_dice": 1 - float(np.mean(expected))}


def probability(mean: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """(D, H, W) probability that a voxel has one of the labels."""
    return np.clip(mean[list(labels)].sum(axis=0), 0, 1)


def _structures(
    prediction: np.ndarray,
    truth: np.ndarray,
    mean: np.ndarray,
    maps: Mapping[str, np.ndarray],
    spacing: tuple[float, float, float],
    unions: Mapping[str, Sequence[int]],
    band: np.ndarray,
) -> list[Record]:
    masks, truths = region_masks(prediction, unions), region_masks(truth, unions)
    removed = {fraction: most_uncertain(maps["error_probability"], band, fraction) for fraction in FRACTIONS}
    records = []
    for name, labels in unions.items():
        mask, true = masks[name], truths[name]
        surfaces = surface_distances(mask, true, spacing)
        record = {
            "structure": name,
            **asdict(agreement(mask, true, spacing, surfaces)),
            "surface_dice": surface_dice(mask, true, spacing, surfaces=surfaces),
            "expected_dice": expected_dice(probability(mean, labels), mask),
        }
        record |= {f"delta_dice_{100 * f:g}": delta_dice(mask, true, removed[f]).delta for f in FRACTIONS}
        record |= {f"mean_{key}": _mean(values[mask]) for key, values in maps.items()}
        record |= {f"qu_brats_{key}": _curve_score(mask, true, maps[key], key, len(mean)) for key in maps}
        records.append(record)
    return records


def _curve_score(
    mask: np.ndarray, truth: np.ndarray, uncertainty: np.ndarray, name: str, classes: int
) -> float:
    scaled = np.clip(uncertainty / map_display(name, classes).largest, 0, 1)
    return filtering_curves(mask, truth, scaled).score


def _detection(maps: Mapping[str, np.ndarray], wrong: np.ndarray, near: np.ndarray) -> dict[str, Record]:
    return {
        name: {
            "near": asdict(error_detection(values[near], wrong[near])),
            "image": asdict(error_detection(values.ravel(), wrong.ravel())),
        }
        for name, values in maps.items()
    }


def _parts(mean: np.ndarray, variance: np.ndarray) -> dict[str, float | None]:
    """Mean epistemic and aleatoric variance; None if a variance is impossible, as of the first-order mode."""
    if mean.size == 0 or share_within_bound(mean, variance) < 1:
        return {"epistemic": None, "aleatoric": None}
    found = decompose_predicted(mean, variance)
    return {"epistemic": _mean(found.epistemic), "aleatoric": _mean(found.aleatoric)}


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None
