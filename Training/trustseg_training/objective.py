"""What training minimizes.

``E[cross-entropy] + soft Dice loss of E[p] + kl_weight * KL / (images * voxels)``; the expectations are over
the Gaussian logits, by samples at the last tensor only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import Tensor

from TrustSegLib.moments import LogitMoments, sample_logits


def antithetic_normals(samples: int, classes: int, seed: int) -> Tensor:
    """(samples, classes) standard normals in pairs z, -z: odd moments have no sampling error."""
    generator = torch.Generator().manual_seed(seed)
    half = torch.randn(samples // 2, classes, generator=generator)
    return torch.cat([half, -half])


def expected_losses(
    logits: LogitMoments, target: Tensor, samples: int, seed: int = 0
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

    Returns
    -------
    tuple of Tensor
        Two scalars; cross-entropy in nats per voxel.
    """
    logits = LogitMoments(logits.mean.float(), logits.covariance.float())
    normals = antithetic_normals(samples, logits.mean.shape[1], seed)
    log_p = torch.log_softmax(sample_logits(logits, normals), dim=2)
    place = target[None, :, None].expand(samples, -1, -1, *target.shape[1:])
    cross_entropy = -log_p.gather(2, place).mean()
    return cross_entropy, dice_loss(log_p.exp().mean(dim=0), target)


def plain_losses(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and Dice loss of certain logits (B, K, D, H, W)."""
    logits = logits.float()
    return F.cross_entropy(logits, target), dice_loss(torch.softmax(logits, dim=1), target)


def dice_loss(p: Tensor, target: Tensor) -> Tensor:
    """Soft Dice loss of the structures, over the batch as one image; ``p`` (B, K, D, H, W)."""
    one_hot = F.one_hot(target, p.shape[1]).movedim(-1, 1)
    return DiceLoss(include_background=False, batch=True)(p, one_hot)


def tempered_divergence(divergence: Tensor, images: int, voxels: int, kl_weight: float) -> Tensor:
    """The divergence per voxel of the training set: the data terms are means over voxels."""
    return kl_weight * divergence / (images * voxels)
