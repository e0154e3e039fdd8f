"""What each attack ascends from step to step, and what it keeps the best of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from TrustSegLib.errors import ImageError, OptionError

from . import losses
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
    ``fgsm``, ``pgd``       `losses.cross_entropy`                           the same
    with source and target  `losses.resemblance`                             the same
    ``segpgd``              `losses.weighted_cross_entropy`, by the step     `losses.error_share`
    ``uncertainty``         `losses.trusted_error`                           the same
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
        return _constant(lambda p: losses.resemblance(p, labels, how.source, how.target))
    if how.name == "segpgd":
        return Goal(
            lambda p, step: losses.weighted_cross_entropy(p, labels, (step - 1) / (2 * how.steps)),
            lambda p: losses.error_share(p, labels),
        )
    if how.name == "uncertainty":
        return _constant(lambda p: losses.trusted_error(p, labels, CALM))
    return _constant(lambda p: losses.cross_entropy(p, labels))


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
