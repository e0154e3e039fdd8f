"""Objectives of the attacks: losses of a volume's mean class probabilities.

The Gaussian likelihood of the class moments is not among them: it divides by the variance, so that its
gradient fades where the network is unsure, and an attack on it would say more about the loss than about the
network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from TrustSegLib.errors import ImageError, OptionError

from .options import Attack

#: Weight of the reported error probability in the attack on the uncertainty.
CALM = 5.0


@dataclass(frozen=True)
class Goal:
    """Two functions of the mean class probabilities `(K, D, H, W)`.

    Attributes
    ----------
    ascended : callable
        Probabilities and the number of the step, from 1, to the loss whose gradient is followed.
    kept : callable
        Probabilities to the strength of an iterate; the strongest is kept. It is the same at every step.
    """

    ascended: Callable[[Tensor, int], Tensor]
    kept: Callable[[Tensor], Tensor]


def goal_of(how: Attack, labels: Tensor) -> Goal:
    """The goal of an attack on an image with these labels.

    ======================  ===============================================  =============================
    attack                  ascends                                          keeps the most of
    ======================  ===============================================  =============================
    ``fgsm``, ``pgd``       `cross_entropy`                                  the same
    with source and target  `resemblance`                                    the same
    ``segpgd``              `weighted_cross_entropy`, by the step            `error_share`
    ``uncertainty``         `trusted_error`                                  the same
    ======================  ===============================================  =============================

    Parameters
    ----------
    how : Attack
        The attack.
    labels : Tensor
        `(D, H, W)` int64.

    Raises
    ------
    ImageError
        A targeted attack, and no voxel is of its source.
    """
    if how.targeted:
        if not bool((labels == how.source).any()):
            raise ImageError(
                f"the label has no voxel of class {how.source}, so none can become {how.target}; "
                "leave this image out of the attack"
            )
        return _constant(lambda p: resemblance(p, labels, how.source, how.target))
    if how.name == "segpgd":
        return Goal(
            lambda p, step: weighted_cross_entropy(p, labels, (step - 1) / (2 * how.steps)),
            lambda p: error_share(p, labels),
        )
    if how.name == "uncertainty":
        return _constant(lambda p: trusted_error(p, labels, CALM))
    return _constant(lambda p: cross_entropy(p, labels))


def check_classes(how: Attack, labels: Tensor, classes: int) -> None:
    """Refuse labels and targets that the network does not know.

    Raises
    ------
    ImageError
        A label is beyond the network's classes.
    OptionError
        The attack's target is.
    """
    known = f"the network knows the labels 0 to {classes - 1}"
    if int(labels.max()) >= classes or int(labels.min()) < 0:
        found = f"{int(labels.min())} to {int(labels.max())}"
        raise ImageError(f"the label image holds {found}, but {known}; map the values first")
    if how.targeted and max(how.source, how.target) >= classes:
        raise OptionError(f"attack {how.key}: {known}; choose of these")


def _constant(loss: Callable[[Tensor], Tensor]) -> Goal:
    return Goal(lambda p, step: loss(p), loss)


#: Probabilities are clamped here before the logarithm, so far down that a sure voxel can still be turned.
SMALLEST_PROBABILITY = 1e-30


def surprise(p: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy ``-log p_y`` of every voxel.

    Near one, p_y is computed from the other classes, ``p_y = 1 - sum_{k != y} p_k``: in float32 a probability
    above ``1 - 6e-8`` is 1, its logarithm has no slope, and a sure network would look like a robust one.

    Parameters
    ----------
    p : Tensor
        `(K, D, H, W)` mean class probabilities.
    labels : Tensor
        `(D, H, W)` int64.

    Returns
    -------
    Tensor
        `(D, H, W)`, in nats.
    """
    own = torch.zeros_like(p, dtype=torch.bool).scatter_(0, labels[None], True)
    others = p.masked_fill(own, 0).sum(dim=0)
    small = torch.log1p(-others.clamp_max(0.5))
    large = p.gather(0, labels[None])[0].clamp_min(SMALLEST_PROBABILITY).log()
    return -torch.where(others < 0.5, small, large)


def cross_entropy(p: Tensor, labels: Tensor) -> Tensor:
    """Mean of `surprise` over the voxels."""
    return surprise(p, labels).mean()


def resemblance(p: Tensor, labels: Tensor, source: int, target: int) -> Tensor:
    """Minus the cross-entropy to the map in which ``source`` became ``target``: ascend it to get that map.

    The mean over the source's voxels and the mean over all others have equal weight, so that a small
    structure is not lost among the background, and what is none of the source keeps its class.

    Parameters
    ----------
    p, labels : Tensor
        See `surprise`; some voxel is of the class ``source``.
    source, target : int
        Labels.
    """
    chosen = labels == source
    each = surprise(p, labels.masked_fill(chosen, target))
    return -each[chosen].mean() - (each[~chosen].mean() if bool((~chosen).any()) else 0.0)


def weighted_cross_entropy(p: Tensor, labels: Tensor, weight: float) -> Tensor:
    """Mean of `surprise` with the factor ``1 - weight`` where the prediction is right, ``weight`` elsewhere.

    References
    ----------
    Gu et al., SegPGD: An effective and efficient adversarial attack for evaluating and boosting segmentation
    robustness, ECCV 2022 (arXiv 2207.12391), with ``weight = lambda(t) = (t - 1) / (2 T)``.
    """
    wrong = p.argmax(dim=0) != labels
    return (surprise(p, labels) * torch.where(wrong, weight, 1 - weight)).mean()


def error_share(p: Tensor, labels: Tensor) -> Tensor:
    """Share of the voxels whose most probable class is not the label's."""
    return (p.argmax(dim=0) != labels).to(p.dtype).mean()


def trusted_error(p: Tensor, labels: Tensor, calm: float) -> Tensor:
    """Cross-entropy, less ``calm`` times the mean reported error probability of the wrong voxels.

    The error probability that the overlay reports is ``1 - max_k p_k``. Its mean is over the wrong voxels, so
    that one more wrong voxel is never punished as such.
    """
    wrong = p.argmax(dim=0) != labels
    if not bool(wrong.any()):
        return cross_entropy(p, labels)
    return cross_entropy(p, labels) - calm * (1 - p.amax(dim=0))[wrong].mean()
