"""Training objectives.

Which one a network can have follows from its output:

``cross_entropy_dice``
    Deterministic logits. Cross-entropy + soft Dice loss of the structures.
``expected``
    Gaussian logits. ``E[cross-entropy] + soft Dice loss of E[p]``; the expectations are over the logits, by
    samples at the last tensor only.
``gaussian_nll``
    Gaussian logits; as published for SUPER-Net (arXiv 2111.05978). With the one-hot label y and the class
    moments p, v: ``1/2 mean_voxels sum_c [(y_c - p_c)^2 / (v_c + e) + log(v_c + e)]``, ``e = 1e-3``. Unlike
    the published code, the logarithm is of each class and not of their product, which underflows, and a
    value that is not finite ends the run and does not become 0.

To each, a network with random weights adds ``kl_weight * KL / (images * voxels)`` with every factor of the
divergence: the data terms are means over voxels. The published ``kl_factor`` is ``kl_weight`` over
``images * voxels``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import Tensor, nn

from TrustSegLib.errors import OptionError
from TrustSegLib.moments import ClassMoments, LogitMoments, readout_exact, readout_taylor, sample_logits

#: Added to every class's variance in `gaussian_nll`, as published: an observation variance.
VARIANCE_FLOOR = 1e-3

#: Weights of a batch sum up to at least this: a class may have weight 0, and a batch no other.
SMALLEST_WEIGHT = 1e-6

Gather = Callable[[Tensor], Tensor]
"""Joins the batches (B, ...) of all processes to one (processes * B, ...), with gradients."""


def alone(batch: Tensor) -> Tensor:
    """`Gather` of a single process."""
    return batch


def antithetic_normals(samples: int, classes: int, seed: int) -> Tensor:
    """(samples, classes) standard normals in pairs z, -z: odd moments have no sampling error."""
    generator = torch.Generator().manual_seed(seed)
    half = torch.randn(samples // 2, classes, generator=generator)
    return torch.cat([half, -half])


def expected_losses(
    logits: LogitMoments,
    target: Tensor,
    samples: int,
    seed: int = 0,
    weights: Tensor | None = None,
    gather: Gather = alone,
) -> tuple[Tensor, Tensor]:
    """Expected cross-entropy and Dice loss of the mean probabilities.

    Parameters
    ----------
    logits : LogitMoments
        Of (B, K, D, H, W).
    target : Tensor
        (B, D, H, W) int64.
    samples : int
        Even number of logit samples.
    seed : int
        Of the samples: a resumed run has to draw what the unbroken one would have drawn.
    weights : Tensor, optional
        (K,) weights of the classes in the cross-entropy.
    gather : callable
        Joins the batches of all processes.

    Returns
    -------
    tuple of Tensor
        Two scalars; cross-entropy in nats per voxel.
    """
    logits = LogitMoments(logits.mean.float(), logits.covariance.float())
    normals = antithetic_normals(samples, logits.mean.shape[1], seed)
    log_p = torch.log_softmax(sample_logits(logits, normals), dim=2)
    place = target[None, :, None].expand(samples, -1, -1, *target.shape[1:])
    cross_entropy = -log_p.gather(2, place)
    if weights is None:
        cross_entropy = cross_entropy.mean()
    else:
        cross_entropy = weighted_mean(cross_entropy.mean(dim=0).squeeze(1), target, weights, gather)
    return cross_entropy, dice_loss(log_p.exp().mean(dim=0), target, gather)


def plain_losses(
    logits: Tensor, target: Tensor, weights: Tensor | None = None, gather: Gather = alone
) -> tuple[Tensor, Tensor]:
    """Cross-entropy and Dice loss of deterministic logits (B, K, D, H, W); see `expected_losses`."""
    logits = logits.float()
    if weights is None:
        cross_entropy = F.cross_entropy(logits, target)
    else:
        values = F.cross_entropy(logits, target, reduction="none")
        cross_entropy = weighted_mean(values, target, weights, gather)
    return cross_entropy, dice_loss(torch.softmax(logits, dim=1), target, gather)


def gaussian_nll(
    moments: ClassMoments, target: Tensor, weights: Tensor | None = None, gather: Gather = alone
) -> Tensor:
    """Published objective: Gaussian likelihood of the one-hot label under the class moments.

    Parameters
    ----------
    moments : ClassMoments
        Of (B, K, D, H, W).
    target : Tensor
        (B, D, H, W) int64.
    weights : Tensor, optional
        (K,) weights of the voxels of each class.
    gather : callable
        Joins the batches of all processes.

    Returns
    -------
    Tensor
        Scalar, half the published sum over classes; at least ``K / 2 * log(VARIANCE_FLOOR)``.
    """
    one_hot = F.one_hot(target, moments.mean.shape[1]).movedim(-1, 1)
    variance = moments.variance + VARIANCE_FLOOR
    values = 0.5 * ((one_hot - moments.mean).square() / variance + variance.log()).sum(dim=1)
    return values.mean() if weights is None else weighted_mean(values, target, weights, gather)


def weighted_mean(values: Tensor, target: Tensor, weights: Tensor, gather: Gather = alone) -> Tensor:
    """Mean over voxels (B, D, H, W) weighted by their class; over all processes' voxels once averaged."""
    own = weights.to(values)[target]
    total = gather(own.sum()[None]).mean()
    return (own * values).sum() / total.clamp_min(SMALLEST_WEIGHT)


def dice_loss(p: Tensor, target: Tensor, gather: Gather = alone) -> Tensor:
    """Soft Dice loss of the structures, over the batch as one image; ``p`` (B, K, D, H, W).

    It is no mean over images, so that processes have to share their batches: the mean of their Dice losses
    would be another objective than that of one process with all images.
    """
    p, target = gather(p), gather(target)
    one_hot = F.one_hot(target, p.shape[1]).movedim(-1, 1)
    return DiceLoss(include_background=False, batch=True)(p, one_hot)


def tempered_divergence(divergence: Tensor, images: int, voxels: int, kl_weight: float) -> Tensor:
    """The divergence per voxel of the training set: the data terms are means over voxels."""
    return kl_weight * divergence / (images * voxels)


def readout(network: nn.Module, logits: LogitMoments) -> ClassMoments:
    """Class moments of Gaussian logits as the network itself reads them out at inference."""
    first_order = getattr(network, "propagation", "exact") == "taylor"
    return readout_taylor(logits) if first_order else readout_exact(logits)


@dataclass(frozen=True)
class LossOptions:
    """Options of `losses`; see `expected_losses`."""

    samples: int
    seed: int
    weights: Tensor | None = None
    gather: Gather = alone


def losses(
    name: str, network: nn.Module, logits: Tensor | LogitMoments, target: Tensor, options: LossOptions
) -> dict[str, Tensor]:
    """The data terms of an objective by name, to be added up.

    Parameters
    ----------
    name : str
        ``auto``, ``cross_entropy_dice``, ``expected`` or ``gaussian_nll``.
    network : nn.Module
        Whose output the logits are.
    logits : Tensor or LogitMoments
        (B, K, D, H, W).
    target : Tensor
        (B, D, H, W) int64.
    options : LossOptions
        Samples of the logits, weights of the classes, and how processes share a batch.

    Raises
    ------
    OptionError
        The objective does not fit the network's output.
    """
    gaussian = isinstance(logits, LogitMoments)
    weights, gather = options.weights, options.gather
    if name == "auto":
        name = "expected" if gaussian else "cross_entropy_dice"
    if gaussian == (name == "cross_entropy_dice"):
        fitting = "expected or gaussian_nll" if gaussian else "cross_entropy_dice"
        raise OptionError(f"objective {name}: not for family {network.family}; choose {fitting}, or auto")
    if name == "gaussian_nll":
        return {"gaussian_nll": gaussian_nll(readout(network, logits), target, weights, gather)}
    if gaussian:
        values = expected_losses(logits, target, options.samples, options.seed, weights, gather)
    else:
        values = plain_losses(logits, target, weights, gather)
    return dict(zip(("cross_entropy", "dice_loss"), values, strict=True))


def annealing(schedule: str, step: int, steps: int) -> float:
    """Factor of the divergence: 1, or with ``linear`` from 0 to 1 over the first half of the steps."""
    if schedule == "constant":
        return 1.0
    return min(2.0 * step / max(steps, 1), 1.0)
