"""Running mean and variance of tensors, in double precision."""

from __future__ import annotations

import torch
from torch import Tensor


class Sums:
    """Mean and sum of squared deviations of all tensors that were added.

    Parameters
    ----------
    count : int
        Tensors added so far.
    mean, squares : Tensor
        float64, their mean and ``sum (x - mean)^2``.

    References
    ----------
    Welford, Note on a method for calculating corrected sums of squares and products, Technometrics 1962.
    Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """

    def __init__(self, count: int, mean: Tensor, squares: Tensor) -> None:
        self.count, self.mean, self.squares = count, mean, squares

    @classmethod
    def empty(cls, like: Tensor) -> Sums:
        """Nothing added yet."""
        zeros = [torch.zeros(like.shape, dtype=torch.float64, device=like.device) for _ in range(2)]
        return cls(0, *zeros)

    def add(self, x: Tensor) -> None:
        """Take one more tensor."""
        self.count += 1
        before = x.double() - self.mean  # a copy: x may be double itself
        self.mean.add_(before, alpha=1 / self.count)
        # x - new mean = (x - old mean) (n - 1) / n
        self.squares.addcmul_(before, before, value=(self.count - 1) / self.count)

    def merged(self, other: Sums) -> Sums:
        """As if the tensors of both had been added to one."""
        count = self.count + other.count
        if not count:
            return Sums(0, self.mean, self.squares)
        difference = other.mean - self.mean
        mean = self.mean + difference * (other.count / count)
        between = difference.square() * (self.count * other.count / count)
        return Sums(count, mean, self.squares + other.squares + between)

    @property
    def variance(self) -> Tensor:
        """Unbiased; of two tensors or more."""
        return self.squares / (self.count - 1)
