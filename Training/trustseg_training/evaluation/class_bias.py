"""The bias of the class logits with which a model's masks are as large as the true structures.

Networks that are trained with a soft Dice make masks that are a few percent too large: where they are
unsure, a voxel more costs less Dice than a missing one. A number for each structure, added to its logit, is
chosen so that the volume bias is 0: the mean over patients of the relative error of the volume in clean
images. The background's number is 0. So that images with hardly any of a structure do not decide, the error
is relative to at least half the median of its true volumes; images without the structure count, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trustseg_training.corruptions import CLEAN

from .near_voxels import NearVoxels
from .patient_weights import FOLDS, folds
from .temperature_scaling import Scales

#: Largest bias: more would turn the class of voxels that the network is sure of.
LARGEST = 3.0

#: Volume bias at which the search ends, and its most steps.
TOLERANCE, MOST_STEPS = 5e-4, 20

#: A bias that costs more mean DSC than this is not used.
MOST_DICE_LOST = 0.002


@dataclass(frozen=True, eq=False)
class MaskCounts:
    """Voxels (images, structures) near the structures: of the mask, of the truth, and of both."""

    mask: np.ndarray
    truth: np.ndarray
    common: np.ndarray
    patients: np.ndarray

    @property
    def volume_bias(self) -> np.ndarray:
        """(structures,) mean relative error of the volume; NaN without a true voxel in any image."""
        bias = (relative_weights(self.truth, self.patients) * (self.mask - self.truth)).sum(axis=0)
        return np.where(self.truth.any(axis=0), bias, np.nan)

    @property
    def dice(self) -> np.ndarray:
        """(structures,) mean over patients; two empty masks agree."""
        sizes = self.mask + self.truth
        dice = np.where(sizes > 0, 2 * self.common / np.maximum(sizes, 1e-9), 1.0)
        return np.mean(
            [dice[self.patients == name].mean(axis=0) for name in np.unique(self.patients)], axis=0
        )


def relative_weights(truth: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Weights (images, structures) by which errors of volumes add up to the volume bias.

    Parameters
    ----------
    truth : np.ndarray
        (images, structures) true volumes.
    patients : np.ndarray
        (images,) names; those with several images count once.
    """
    present = np.where(truth > 0, truth, np.nan)
    found = truth.any(axis=0)
    least = np.ones(truth.shape[1])
    least[found] = np.nanmedian(present[:, found], axis=0) / 2
    names, own, count = np.unique(patients, return_inverse=True, return_counts=True)
    return 1 / np.maximum(truth, least) / (len(names) * count[own])[:, None]


@dataclass(frozen=True)
class BiasFigures:
    """Volume bias and DSC of each structure on patients left out, without and with the class bias."""

    patients: int
    volume_bias: tuple[list[float | None], list[float | None]]
    dice: tuple[list[float], list[float]]


def fit_class_bias(
    network: nn.Module, voxels: NearVoxels, scales: Scales, first: Sequence[float] = ()
) -> tuple[float, ...]:
    """The bias with which the volumes of the clean images are right; empty if it would cost Dice.

    Each step reads off the present probabilities how far the margin between a structure and its strongest
    rival has to move for the right number of voxels to be on its side, all structures at once; as they
    compete for few voxels, a handful of steps suffices.

    Parameters
    ----------
    network : nn.Module
        For its readout.
    voxels : NearVoxels
        With clean images.
    scales : Scales
        Temperature and variance scale that the masks are made with.
    first : sequence of float
        Where the search starts; by default at 0.

    Returns
    -------
    tuple of float
        (K - 1,); 0 for structures of which there is no voxel. Empty: the mean DSC would be lower by more than
        `MOST_DICE_LOST`, or there is no clean image.
    """
    clean = _clean(voxels)
    if clean is None:
        return ()
    bias = _searched(network, clean, scales, first)
    before, after = (counts(network, clean, scales, each) for each in ((), bias))
    return bias if after.dice.mean() >= before.dice.mean() - MOST_DICE_LOST else ()


def cross_validated(network: nn.Module, voxels: NearVoxels, scales: Scales) -> BiasFigures | None:
    """What a class bias that is fitted on the other patients does; None with fewer than two patients."""
    clean = _clean(voxels)
    if clean is None or len(np.unique(clean.patients)) < 2:
        return None
    before, after = [], []
    for fit, left_out in folds(clean.patients, FOLDS):
        bias = fit_class_bias(network, clean.of_images(fit), scales)
        rest = clean.of_images(left_out)
        before.append(counts(network, rest, scales, ()))
        after.append(counts(network, rest, scales, bias))
    both = _together(before), _together(after)
    return BiasFigures(
        len(np.unique(clean.patients)),
        tuple([None if np.isnan(x) else float(x) for x in each.volume_bias] for each in both),
        tuple(each.dice.tolist() for each in both),
    )


def counts(network: nn.Module, voxels: NearVoxels, scales: Scales, bias: Sequence[float]) -> MaskCounts:
    """Sizes of the masks that a bias gives, image by image."""
    p = Scales(scales.temperature, scales.variance_scale, tuple(bias)).probabilities(network, voxels)
    label, classes, images = p.argmax(dim=1), p.shape[1], len(voxels.sources)

    def sizes(labels: Tensor, chosen: Tensor) -> np.ndarray:
        places = (voxels.image * classes + labels)[chosen]
        found = torch.bincount(places, voxels.multiplicity[chosen], minlength=images * classes)
        return found.view(images, classes)[:, 1:].numpy()

    every = torch.ones_like(label, dtype=torch.bool)
    same = label == voxels.target
    return MaskCounts(sizes(label, every), sizes(voxels.target, every), sizes(label, same), voxels.patients)


def _clean(voxels: NearVoxels) -> NearVoxels | None:
    clean = voxels.conditions == CLEAN
    return voxels.of_images(clean) if clean.any() else None


def _together(parts: Sequence[MaskCounts]) -> MaskCounts:
    names = ("mask", "truth", "common", "patients")
    return MaskCounts(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _searched(
    network: nn.Module, voxels: NearVoxels, scales: Scales, first: Sequence[float]
) -> tuple[float, ...]:
    """Move the margins until the volumes are right; the best of all steps."""
    plain = counts(network, voxels, scales, ())
    known = plain.truth.any(axis=0)
    weights = _voxel_weights(voxels, relative_weights(plain.truth, plain.patients))
    wanted = _sums(weights, voxels.target)
    bias, best = np.zeros(len(known)) if not len(first) else np.array(first), (np.inf, ())
    for _ in range(MOST_STEPS):
        p = Scales(scales.temperature, scales.variance_scale, tuple(bias)).probabilities(network, voxels)
        error = float(np.abs(_sums(weights, p.argmax(dim=1)) - wanted)[known].max(initial=0.0))
        best = min(best, (error, tuple(bias.tolist())), key=lambda found: found[0])
        if error < TOLERANCE:
            break
        shifts = [
            _shift(p, label, weight, volume) if found else 0.0
            for label, (weight, volume, found) in enumerate(zip(weights, wanted, known, strict=True), start=1)
        ]
        bias = np.clip(bias + scales.temperature * np.array(shifts), -LARGEST, LARGEST)
    return best[1]


def _voxel_weights(voxels: NearVoxels, weights: np.ndarray) -> list[Tensor]:
    """For each structure (voxels,): what a voxel of its mask adds to its relative volume."""
    return [voxels.multiplicity * torch.from_numpy(own)[voxels.image] for own in weights.T]


def _sums(weights: Sequence[Tensor], labels: Tensor) -> np.ndarray:
    """(structures,) weighted volumes of a mask."""
    return np.array([float(own[labels == label].sum()) for label, own in enumerate(weights, start=1)])


def _shift(p: Tensor, label: int, weight: Tensor, volume: float) -> float:
    """What to add to the logarithm of a class's probability so that it wins in so many voxels."""
    logarithm = p.double().clamp_min(1e-30).log()
    rivals = logarithm.clone()
    rivals[:, label] = -torch.inf
    margin, order = (logarithm[:, label] - rivals.max(dim=1).values).sort(descending=True)
    reached = int(torch.searchsorted(weight[order].cumsum(0), volume))
    between = margin[[min(reached, len(margin) - 1), min(reached + 1, len(margin) - 1)]]
    return -float(between.mean())
