"""The images that an attack may choose from, and how far one of them is from the clean one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from TrustSegLib.errors import ImageError


@dataclass(frozen=True)
class Box:
    """All images within epsilon of the clean one and within its own range, channel by channel.

    Attributes
    ----------
    image : Tensor
        `(C, D, H, W)`, the clean one.
    lower, upper : Tensor
        `(C, 1, 1, 1)`, its least and greatest intensity.
    epsilon : float
        As a share of the range.
    """

    image: Tensor
    lower: Tensor
    upper: Tensor
    epsilon: float

    @classmethod
    def around(cls, image: Tensor, epsilon: float) -> Box:
        """Box around an image `(C, D, H, W)`.

        Raises
        ------
        ImageError
            The image holds NaN or infinite values, or a channel is constant.
        """
        if not bool(torch.isfinite(image).all()):
            raise ImageError("the image holds NaN or infinite values; mend it before it is attacked")
        lower, upper = (bound(image, dim=(1, 2, 3), keepdim=True) for bound in (torch.amin, torch.amax))
        box = cls(image, lower, upper, epsilon)
        if bool((box.span <= 0).any()):
            raise ImageError("a channel of the image is constant: it has no range to be attacked in")
        return box

    @property
    def span(self) -> Tensor:
        """Range of every channel, `(C, 1, 1, 1)`."""
        return self.upper - self.lower

    def nearest(self, image: Tensor) -> Tensor:
        """The image of the box that is nearest to this one."""
        reach = self.epsilon * self.span
        near = image.clamp(self.image - reach, self.image + reach)
        return near.clamp(self.lower, self.upper)

    def random_image(self, seed: int) -> Tensor:
        """An image of the box, uniform within epsilon; the same for the same seed."""
        noise = np.random.default_rng(seed).uniform(-1, 1, self.image.shape)
        return self.nearest(self.image + self.epsilon * self.span * torch.from_numpy(noise).to(self.image))

    def step(self, image: Tensor, gradient: Tensor, size: float) -> Tensor:
        """Step of ``size`` along the gradient's sign, size being a share of the range, back into the box."""
        return self.nearest(image + size * self.span * gradient.sign())

    def snr_db(self, image: Tensor) -> float:
        """``10 log10(sum x^2 / sum (x' - x)^2)`` with every channel scaled to [0, 1] by the clean range.

        Infinite for the clean image itself.
        """
        clean, changed = ((x.double() - self.lower) / self.span for x in (self.image, image))
        noise = float((changed - clean).square().sum())
        return 10 * math.log10(float(clean.square().sum()) / noise) if noise else math.inf
