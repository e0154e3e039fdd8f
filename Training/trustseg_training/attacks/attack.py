"""Attack one image: ascend a loss inside the box of allowed images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from TrustSegLib.errors import ImageError
from TrustSegLib.inference import Predictor

from .gradients import VolumeGradient
from .objectives import Goal, check_classes, goal_of
from .options import Attack


@dataclass(frozen=True)
class Attacked:
    """An attacked image.

    Attributes
    ----------
    image : np.ndarray
        `(C, D, H, W)` float32, on the scale of the clean one.
    epsilon : float
        The attack's, as a share of every channel's range.
    snr_db : float
        Of the change, on the image scaled to [0, 1]; infinite if the attack found nothing to change.
    loss : float
        Strength of this image, by what the attack maximizes (`objectives.goal_of`).
    """

    image: np.ndarray
    epsilon: float
    snr_db: float
    loss: float


def attack(
    network: Predictor,
    image: np.ndarray,
    labels: np.ndarray,
    how: Attack,
    patch_shape: tuple[int, int, int],
    seed: int,
    device: torch.device | str = "cpu",
) -> Attacked:
    """Change an image within epsilon so that a network does worse on it.

    The space is that of a prepared image (`data.Sample`): an affine map of the oriented, resampled and
    clipped scan, channel by channel. Epsilon counts in every channel's range there, which is the same as on
    the scan scaled to [0, 1], and the map is not made anew from the attacked image. To transfer an attack,
    make it with one network and show it to another.

    With the same seed and step size the iterates of ``pgd`` and ``uncertainty`` do not depend on how many
    there are, so more steps never make these attacks weaker. The weights of ``segpgd`` depend on the number
    of steps; it is at least as strong as every iterate of its own.

    Parameters
    ----------
    network : Predictor
        The one that is asked for gradients, in evaluation mode, as `sliding_window` takes it (for one of
        planes see `training.volume_network`). Families that average passes are attacked through their
        average.
    image : np.ndarray
        `(C, D, H, W)` float32 intensities as the network knows them.
    labels : np.ndarray
        `(D, H, W)` or `(1, D, H, W)` labels of the truth, as the network numbers them.
    how : Attack
        The attack.
    patch_shape : tuple of int
        `(D, H, W)` voxels of the sliding window.
    seed : int
        Of the random start, one per image; no other random numbers are touched.
    device : torch.device or str
        Where the network runs.

    Raises
    ------
    ImageError
        The image has no range or no finite values, its labels do not fit it or the network, or there is no
        voxel of the source.
    OptionError
        The patch or the attack's target does not fit the network.
    TrustSegError
        The gradient is not finite.
    """
    clean = torch.from_numpy(np.array(image, np.float32))
    truth = torch.from_numpy(np.array(labels, np.int64))
    truth = truth[0] if truth.dim() == 4 and truth.shape[0] == 1 else truth
    if clean.dim() != 4 or truth.shape != clean.shape[1:]:
        raise ImageError(f"image {tuple(clean.shape)} and label {tuple(truth.shape)} are not of one grid")
    box, prediction = Box.around(clean, how.epsilon), VolumeGradient(network, patch_shape, device=device)
    check_classes(how, truth, prediction.probabilities(clean).shape[0])
    start = clean if how.name == "fgsm" else box.random_image(seed)
    found, loss = _ascend(prediction, box, goal_of(how, truth), how, start)
    return Attacked(found.numpy(), how.epsilon, box.snr_db(found), loss)


def _ascend(
    prediction: VolumeGradient, box: Box, goal: Goal, how: Attack, start: Tensor
) -> tuple[Tensor, float]:
    """Steps along the gradient's sign: the strongest iterate but the clean image, and its strength."""
    x, iterates = start, _Strongest()
    for step in range(1, how.steps + 1):
        p, gradient = prediction.gradient(x, partial(goal.ascended, step=step))
        if x is not box.image:
            iterates.update(x, float(goal.kept(p)))
        x = box.step(x, gradient, how.step_size)
    iterates.update(x, float(goal.kept(prediction.probabilities(x))))
    return iterates.image, iterates.strength


class _Strongest:
    """The strongest image so far; of equally strong ones the last, which went further."""

    def __init__(self) -> None:
        self.image, self.strength = None, -np.inf

    def update(self, image: Tensor, strength: float) -> None:
        """Keep the image if none before was stronger."""
        if strength >= self.strength:
            self.image, self.strength = image, strength


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
            raise ImageError("the image holds NaN or infinite values; fix it before it is attacked")
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
