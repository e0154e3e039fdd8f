"""What an ensemble and each of its members answer, of one pass through every member."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from trustseg_training.measures.expected_dice import pairwise_dice
from trustseg_training.run import volume_network
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import sliding_window
from TrustSegLib.inference.grid import Grid
from TrustSegLib.inference.prediction import Model, prepare_image
from TrustSegLib.inference.restore import restorer
from TrustSegLib.moments import ClassMoments


def has_members(network: nn.Module) -> bool:
    """Whether it is an ensemble of at least two."""
    return len(getattr(network, "members", ())) > 1


class Together(nn.Module):
    """An ensemble that tells its members' probabilities behind its own: K classes, then K of each member.

    Parameters
    ----------
    ensemble : nn.Module
        With ``members``; a temperature changes its probabilities, not those of its members.
    """

    def __init__(self, ensemble: nn.Module) -> None:
        super().__init__()
        self.ensemble, self.spec = ensemble, ensemble.spec

    @property
    def size_divisor(self) -> int:
        """As the ensemble's."""
        return self.ensemble.size_divisor

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Moments (B, K (1 + members), ...); the variance of a member is 0."""
        logits: list[Tensor] = []
        hooks = [
            member.register_forward_hook(lambda _, __, answer: logits.append(answer))
            for member in self.ensemble.members
        ]
        try:
            own = self.ensemble.class_moments(x)
        finally:
            for hook in hooks:
                hook.remove()
        members = [torch.softmax(each.float(), dim=1) for each in logits]
        certain = [torch.zeros_like(own.variance)] * len(members)
        return ClassMoments(
            torch.cat([own.mean, *members], dim=1), torch.cat([own.variance, *certain], dim=1)
        )


def passed(
    array: np.ndarray, network: nn.Module, patch_shape: tuple[int, int, int], device: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Moments (K, D, H, W) on the model's grid: those of the ensemble first, then those of each member.

    Parameters
    ----------
    array : np.ndarray
        (C, D, H, W) as the network knows it.
    network : nn.Module
        See `has_members`.
    patch_shape : tuple of int
        (D, H, W).
    device : str
        Where it runs.
    """
    together = volume_network(Together(network))
    moments = sliding_window(array, together, patch_shape, device=device)
    return list(zip(*(np.split(each, 1 + len(network.members)) for each in moments), strict=True))


def passed_and_back(image: Volume, model: Model, device: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same of an image as it is on the disk, on its own grid."""
    description = model.description
    prepared = prepare_image(image, description)
    own, target = Grid.of(prepared), Grid.of(image)
    found = passed(prepared.array, model.network(), description.patch_shape, device)
    return [restorer(*moments, own, target).rows(0, target.shape[0]) for moments in found]


def disagreement(probabilities: list[np.ndarray]) -> float:
    """One less the members' mean pairwise Dice, mean over structures: a score that is hard to beat.

    Zenk et al., "Comparative benchmarking of failure detection methods in medical image segmentation", MedIA
    101, 2025.

    Parameters
    ----------
    probabilities : list of np.ndarray
        (K, D, H, W) of each member.
    """
    masks = [each.argmax(axis=0) for each in probabilities]
    labels = range(1, len(probabilities[0]))
    return 1 - float(np.mean([pairwise_dice([mask == label for mask in masks]) for label in labels]))
