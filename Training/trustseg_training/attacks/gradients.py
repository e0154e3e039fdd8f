"""Gradient of a loss of a whole volume's class probabilities with respect to the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from TrustSegLib.errors import OptionError, TrustSegError
from TrustSegLib.inference import Predictor
from TrustSegLib.inference.blending import gaussian_weight
from TrustSegLib.inference.sliding_window import check_window_options, pad_to_patch, patch_starts

#: A loss of the mean class probabilities `(K, D, H, W)` of a volume.
Loss = Callable[[Tensor], Tensor]

_Box = tuple[slice, ...]


class VolumeGradient:
    r"""Class probabilities of a volume as `sliding_window` makes them, and gradients with respect to it.

    With the blending's weights :math:`w_i` the probabilities are :math:`p = \sum_i s_i \mu_i`,
    :math:`s_i = w_i / \sum_j w_j`. For any loss of p, not only for a sum over voxels, the chain rule splits
    into one term per patch,

    .. math:: \frac{\partial L}{\partial x} = \sum_i \frac{\partial \mu_i}{\partial x}^{\!T}
              \left( s_i \frac{\partial L}{\partial p} \right) ,

    so the gradient is exact with the graph of one patch in memory at a time: a first round over the patches
    makes p, a second one the terms. Beside the graph there are `K + 2` maps of the volume. What edge padding
    repeats is added up where it came from. Families that average passes draw the same masks or kernels in
    every pass (`networks.drawn`), so that their averaged prediction is a function of the image like any other
    and its gradient is the mean over the passes (expectation over transformation, Athalye et al. 2018).

    Parameters
    ----------
    network : Predictor
        As `sliding_window` takes it, in evaluation mode. It is moved to the device; its weights' gradients
        are not touched.
    patch_shape : tuple of int
        `(D, H, W)` voxels.
    overlap : float
        Fraction of a patch that neighbors share, in [0, 1); the same as in the inference.
    device : torch.device or str
        Where the network runs. Images and gradients stay in main memory.

    Raises
    ------
    OptionError
        The patch does not fit the network, or the overlap is not valid.
    ValueError
        The network is in training mode.
    """

    def __init__(
        self,
        network: Predictor,
        patch_shape: tuple[int, int, int],
        *,
        overlap: float = 0.5,
        device: torch.device | str = "cpu",
    ) -> None:
        if getattr(network, "training", False):
            raise ValueError("the network is in training mode; call eval() first")
        check_window_options(overlap, batch_size=1)
        divisors = np.broadcast_to(getattr(network, "size_divisor", 1), 3)
        if len(patch_shape) != 3 or min(patch_shape) < 1 or np.any(np.remainder(patch_shape, divisors)):
            needed = f"it needs multiples of {divisors}"
            raise OptionError(f"patch {patch_shape} does not fit the network: {needed}")
        self._network = network.to(device) if isinstance(network, torch.nn.Module) else network
        self._patch_shape, self._overlap, self._device = tuple(patch_shape), overlap, torch.device(device)

    def probabilities(self, image: Tensor) -> Tensor:
        """Mean class probabilities `(K, D, H, W)` of an image `(C, D, H, W)`, in its precision.

        Made in the same way as those of `gradient`, with the gradient's graph of one patch: the layers round
        differently without one, and attacks compare the two.
        """
        with torch.inference_mode(False), torch.enable_grad():
            padded, inner = self._pad(image.detach())
            return self._blended(padded)[(slice(None), *inner)]

    def gradient(self, image: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """Probabilities of an image, and the gradient of their loss.

        Parameters
        ----------
        image : Tensor
            `(C, D, H, W)` float32 or float64, on the CPU.
        loss : callable
            From `(K, D, H, W)` to a scalar.

        Returns
        -------
        tuple of Tensor
            `(K, D, H, W)` and `(C, D, H, W)`.

        Raises
        ------
        TrustSegError
            The gradient holds NaN or infinite values.
        """
        with torch.inference_mode(False), torch.enable_grad():
            leaf = image.detach().clone().requires_grad_()
            padded, inner = self._pad(leaf)
            if padded.shape[1:] == self._patch_shape:
                p = self._mean(padded)[(slice(None), *inner)]
                (gradient,) = torch.autograd.grad(loss(p), leaf)
            else:
                p = self._blended(padded.detach())[(slice(None), *inner)]
                terms = self._terms(padded.detach(), inner, _slope(p, loss))
                (gradient,) = torch.autograd.grad(padded, leaf, terms)
        if not torch.isfinite(gradient).all():
            raise TrustSegError("the network's gradient holds NaN or infinite values; no attack can be made")
        return p.detach(), gradient

    def _pad(self, image: Tensor) -> tuple[Tensor, _Box]:
        """`pad_to_patch` that gradients pass through."""
        empty = np.broadcast_to(np.zeros((), np.uint8), image.shape)
        filled, inner = pad_to_patch(empty, self._patch_shape)
        shape = filled.shape[1:]
        widths = [
            width
            for part, size in zip(reversed(inner), reversed(shape), strict=True)
            for width in (part.start, size - part.stop)
        ]
        padded = F.pad(image[None], widths, mode="replicate")[0] if any(widths) else image
        return padded, inner

    def _mean(self, patch: Tensor) -> Tensor:
        """Mean class probabilities of one patch, on the CPU in its precision."""
        mean = self._network.class_moments(patch[None].to(self._device)).mean[0]
        return mean.to(device=patch.device, dtype=patch.dtype)

    def _shares(self, padded: Tensor) -> Iterator[tuple[_Box, Tensor]]:
        """Box of every patch, and `s_i` in it."""
        weight, boxes = gaussian_weight(self._patch_shape).to(padded.dtype), self._boxes(padded)
        total = padded.new_zeros(padded.shape[1:])
        for box in boxes:
            total[box] += weight
        for box in boxes:
            yield box, weight / total[box]

    def _boxes(self, padded: Tensor) -> list[_Box]:
        corners = patch_starts(tuple(padded.shape[1:]), self._patch_shape, self._overlap)
        return [
            tuple(slice(first, first + size) for first, size in zip(corner, self._patch_shape, strict=True))
            for corner in corners
        ]

    def _blended(self, padded: Tensor) -> Tensor:
        total = None
        for box, share in self._shares(padded):
            mean = self._mean(padded[(slice(None), *box)]).detach()
            if total is None:
                total = padded.new_zeros(mean.shape[0], *padded.shape[1:])
            total[(slice(None), *box)] += share * mean
        return total

    def _terms(self, padded: Tensor, inner: _Box, slope: Tensor) -> Tensor:
        """Gradient with respect to the padded image, summed over the patches."""
        outside = padded.new_zeros(slope.shape[0], *padded.shape[1:])
        outside[(slice(None), *inner)] = slope
        total = torch.zeros_like(padded)
        for box, share in self._shares(padded):
            place = (slice(None), *box)
            patch = padded[place].clone().requires_grad_()
            (part,) = torch.autograd.grad(self._mean(patch), patch, share * outside[place])
            total[place] += part
        return total


def _slope(p: Tensor, loss: Loss) -> Tensor:
    """Gradient of the loss with respect to the probabilities."""
    leaf = p.detach().requires_grad_()
    return torch.autograd.grad(loss(leaf), leaf)[0]
