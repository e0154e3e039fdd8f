"""Blending overlapping patches: the weight of a voxel in its patch, and the average of the class moments."""

from __future__ import annotations

import numpy as np
import torch

SIGMA = 0.125
"""Standard deviation of the Gaussian weight, as a fraction of the patch (as in nnU-Net and MONAI)."""


def gaussian_weight(patch_shape: tuple[int, ...], sigma: float = SIGMA) -> torch.Tensor:
    """Weight of each voxel of a patch: a Gaussian, 1 at the center, since the border has least context.

    Parameters
    ----------
    patch_shape : tuple of int
        `(D, H, W)`.
    sigma : float
        Standard deviation as a fraction of the patch's size.

    Returns
    -------
    torch.Tensor
        `(D, H, W)` float32, positive everywhere (4e-11 at the corners with the default sigma).
    """
    weight = torch.ones((), dtype=torch.float64)
    for size in patch_shape:
        distance = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2) / (sigma * size)
        weight = weight.unsqueeze(-1) * torch.exp(-0.5 * distance.square())
    return (weight / weight.max()).float()


class RollingBlend:
    r"""Weighted average of class moments over overlapping patches, only one patch thick in memory.

    With weights :math:`w_i` of the patches that cover a voxel, the blended moments are

    .. math:: p = \frac{\sum_i w_i \mu_i}{\sum_i w_i}, \qquad
              \mathrm{sd} = \frac{\sum_i w_i \, \mathrm{sd}_i}{\sum_i w_i}, \qquad v = \mathrm{sd}^2 .

    What this does to a variance: the variance in a blended probability comes from the network's weights, and
    one draw of the weights serves all patches. A voxel's errors in two patches are therefore fully
    correlated, and the standard deviations, not the variances, add linearly. Against 400 weights drawn and
    passed through the whole pipeline, the ratio to the true variance is 1.01 (median). The textbook formula
    for independent errors, :math:`\sum w_i^2 v_i`, gives .84, and .51 where eight patches meet: the tiling
    would show in the map. The spread of the means between the patches is not added either; it is a property
    of the tiling, not of the weights. Since sqrt(p (1 - p)) is concave, v <= p (1 - p) survives the blending.

    Patches come in the order of their first axis. Rows that no later patch can touch are averaged, written
    to the output, and their memory is used again.

    Parameters
    ----------
    mean, variance : np.ndarray
        Where the blended moments go: `(K, D, H, W)` float32, in memory or mapped to a file.
    patch_shape : tuple of int
        `(D, H, W)`.
    """

    def __init__(self, mean: np.ndarray, variance: np.ndarray, patch_shape: tuple[int, ...]) -> None:
        self._outputs = (mean, variance)
        slab = (patch_shape[0], *mean.shape[2:])
        self._sums = torch.zeros((2, mean.shape[0], *slab))
        self._weights = torch.zeros(slab)
        self._patch_weight = gaussian_weight(patch_shape)
        self._first = 0

    def add(self, start: tuple[int, ...], mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Add one patch.

        Parameters
        ----------
        start : tuple of int
            `(D, H, W)` index of the patch's first voxel; its first entry never decreases from call to call.
        mean, deviation : torch.Tensor
            `(K, D, H, W)` class probabilities and their standard deviations, float32.
        """
        if start[0] < self._first:
            raise ValueError("patches have to come in the order of the first axis")
        self._finish_rows(start[0] - self._first)
        corner = zip(start[1:], mean.shape[2:], strict=True)
        plane = tuple(slice(first, first + size) for first, size in corner)
        weight = self._patch_weight.to(mean.device)
        self._weights[(slice(None), *plane)] += self._patch_weight
        for sums, moments in zip(self._sums, (mean, deviation), strict=True):
            sums[(slice(None), slice(None), *plane)] += (moments * weight).to(sums.device)

    def finish(self) -> None:
        """Write the rows that are still in memory."""
        self._finish_rows(self._outputs[0].shape[1] - self._first)

    def _finish_rows(self, count: int) -> None:
        """Average and write the first `count` rows of the slab, and move the others up."""
        if count == 0:
            return
        rows = slice(self._first, self._first + count)
        for index in range(self._sums.shape[1]):
            mean, variance = _average(self._sums[:, index, :count], self._weights[:count])
            self._outputs[0][index, rows] = mean.numpy()
            self._outputs[1][index, rows] = variance.numpy()
        _move_up(self._weights, count)
        for plane in self._sums.flatten(0, 1):
            _move_up(plane, count)
        self._first += count


def _average(sums: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance from the weighted sums `(2, rows, H, W)` of the means and the standard deviations."""
    mean, deviation = sums / weights
    mean = mean.clamp(0.0, 1.0)
    return mean, torch.minimum(deviation.square(), mean * (1.0 - mean))


def _move_up(rows: torch.Tensor, count: int) -> None:
    """Shift rows `(D, H, W)` to the start by `count`, without overlap, and zero those set free."""
    kept = rows.shape[0] - count
    for first in range(0, kept, count):
        last = min(first + count, kept)
        rows[first:last] = rows[first + count : last + count]
    rows[max(0, kept) :] = 0.0
