"""A network of planes, seen as one of volumes."""

from __future__ import annotations

import torch

from TrustSegLib.moments import ClassMoments


class PlaneNetwork(torch.nn.Module):
    """Answers patches one voxel thick, `(B, C, 1, H, W)`, with a network that knows planes, `(B, C, H, W)`.

    Parameters
    ----------
    network : nn.Module
        With `class_moments` for `(B, C, H, W)`.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.size_divisor = (1, network.size_divisor, network.size_divisor)

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        """Class moments `(B, K, 1, H, W)`."""
        mean, variance = self.network.class_moments(patches.squeeze(2))
        return ClassMoments(mean.unsqueeze(2), variance.unsqueeze(2))
