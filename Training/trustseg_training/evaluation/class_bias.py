"""The bias of the class logits with which a model's masks are as large as the true structures.

Networks that are trained with a soft Dice make masks that are a few percent too large: where they are
unsure, a voxel more costs less Dice than a missing one. A number for each structure, added to its logit, is
chosen so that the sum of the mask volumes over clean images is the sum of the true volumes; that of the
background is 0. The sum, and not the mean of relative errors, so that images with hardly any of a structure
do not decide.
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

#: Relative error of the volumes at which the search ends, and its most steps.
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
        """(structures,) sum of mask volumes over sum of true ones, less 1; NaN without a true one."""
        truth = self.truth.sum(axis=0)
        return np.where(truth > 0, self.mask.sum(axis=0) / np.maximum(truth, 1) - 1, np.nan)

    @property
    def dice(self) -> np.ndarray:
        """(structures,) mean over patients; two empty masks agree."""
        sizes = self.mask + self.truth
        dice = np.where(sizes > 0, 2 * self.common / np.maximum(sizes, 1e-9), 1.0)
        return np.mean(
            [dice[self.patients == name].mean(axis=0) for name in np.unique(self.patients)], axis=0
        )


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
    weight, best = voxels.multiplicity, (np.inf, ())
    bias = None if not len(first) else np.array(first)
    for _ in range(MOST_STEPS):
        given = () if bias is None else tuple(bias.tolist())
        p = Scales(scales.temperature, scales.variance_scale, given).probabilities(network, voxels)
        bias = np.zeros(p.shape[1] - 1) if bias is None else bias
        volumes, true = (
            torch.bincount(labels, weight, minlength=p.shape[1])[1:].numpy()
            for labels in (p.argmax(dim=1), voxels.target)
        )
        known = true > 0
        error = float(np.abs(volumes / np.maximum(true, 1e-9) - 1)[known].max(initial=0.0))
        best = min(best, (error, tuple(bias.tolist())), key=lambda found: found[0])
        if error < TOLERANCE:
            break
        shifts = [
            _shift(p, label, weight, float(volume)) if found else 0.0
            for label, (volume, found) in enumerate(zip(true, known, strict=True), start=1)
        ]
        bias = np.clip(bias + scales.temperature * np.array(shifts), -LARGEST, LARGEST)
    return best[1]


def _shift(p: Tensor, label: int, weight: Tensor, volume: float) -> float:
    """What to add to the logarithm of a class's probability so that it wins in so many voxels."""
    logarithm = p.double().clamp_min(1e-30).log()
    rivals = logarithm.clone()
    rivals[:, label] = -torch.inf
    margin, order = (logarithm[:, label] - rivals.max(dim=1).values).sort(descending=True)
    reached = int(torch.searchsorted(weight[order].cumsum(0), volume))
    between = margin[[min(reached, len(margin) - 1), min(reached + 1, len(margin) - 1)]]
    return -float(between.mean())
