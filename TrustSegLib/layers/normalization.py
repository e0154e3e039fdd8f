"""Normalization layers for Gaussians, with the parameter names of those of `torch.nn`."""

from __future__ import annotations

import torch
from torch import nn

from TrustSegLib import moments
from TrustSegLib.moments import Gaussian, Rectifier


class GroupNorm(nn.Module):
    """Group normalization; see `moments.group_norm`.

    Parameters
    ----------
    groups, channels : int
        ``groups`` divides ``channels``; if they are equal, this is instance normalization.
    rectifier : Rectifier, optional
        Of the activation that follows, computed in the same pass; see `moments.normalize_and_activate`.
        Without gradients the pass overwrites its input, so nothing else may read that, as is so right after a
        convolution.
    epsilon : float
        Added to the square of the denominator.
    """

    def __init__(
        self, groups: int, channels: int, rectifier: Rectifier | None = None, epsilon: float = 1e-5
    ) -> None:
        super().__init__()
        self.groups, self.rectifier, self.epsilon = groups, rectifier, epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Gaussian) -> Gaussian:
        """(B, C, ...) to (B, C, ...)."""
        return moments.carry(x, self._normalized(x), self.weight)

    def _normalized(self, x: Gaussian) -> Gaussian:
        if self.rectifier is None:
            return moments.group_norm(x, self.groups, self.weight, self.bias, self.epsilon)
        return moments.normalize_and_activate(
            x,
            self.groups,
            self.weight,
            self.bias,
            self.rectifier,
            self.epsilon,
            inplace=not torch.is_grad_enabled(),
        )


class InstanceNorm(GroupNorm):
    """Instance normalization: every channel is a group. Parameters as in `GroupNorm`."""

    def __init__(self, channels: int, rectifier: Rectifier | None = None, epsilon: float = 1e-5) -> None:
        super().__init__(channels, channels, rectifier, epsilon)


class BatchNorm(nn.Module):
    """Batch normalization: by the statistics of the batch in training, by the running ones at inference.

    Parameters
    ----------
    channels : int
        Number of channels.
    epsilon, momentum : float
        As in `torch.nn.BatchNorm3d`.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.epsilon, self.momentum = epsilon, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Gaussian) -> Gaussian:
        """(B, C, ...) to (B, C, ...)."""
        running = self.running_mean, self.running_var
        location, scale = self._batch_statistics(x) if self.training else running
        result = moments.batch_norm(x, location, scale, self.weight, self.bias, self.epsilon)
        return moments.carry(x, result, self.weight)

    def _batch_statistics(self, x: Gaussian) -> tuple[torch.Tensor, torch.Tensor]:
        location, scale = moments.batch_statistics(x)
        count = x.mean.numel() / x.mean.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(location, self.momentum)
            self.running_var.lerp_(scale * (count / max(count - 1, 1)), self.momentum)
            self.num_batches_tracked += 1
        return location, scale
