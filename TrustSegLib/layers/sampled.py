"""Layers that sample their weights or masks: ordinary tensors in, ordinary tensors out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from TrustSegLib import moments
from TrustSegLib.moments import Gaussian
from TrustSegLib.moments.convolution import CONVOLVE, CONVOLVE_TRANSPOSED

from .convolution import RandomKernels

#: Variance of the prior ``N(0, s_p)`` of every drawn weight.
PRIOR_VARIANCE = 1.0


class Sampled(nn.Module):
    """A layer whose random numbers can come from a given generator.

    Attributes
    ----------
    generator : torch.Generator or None
        If given, every call is one draw from it, in evaluation mode as well. Otherwise the layer is random
        in training mode only, with the global random numbers.
    """

    generator: torch.Generator | None = None


class SampledDropout(Sampled):
    """Dropout of single activations.

    A draw from ``generator`` is one mask for the whole batch, as one network predicts all patches of a
    volume: the prediction of a patch does not depend on its place in a batch.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) to (B, C, ...)."""
        if self.generator is None:
            return F.dropout(x, self.probability, self.training)
        keep = 1 - self.probability
        mask = torch.empty(1, *x.shape[1:], device=x.device).bernoulli_(keep, generator=self.generator)
        return x * mask.div_(keep).to(x.dtype)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.probability}"


class SampledConvolution(RandomKernels, Sampled):
    """2D or 3D convolution with sampled weights, each of its own variance ``s = softplus(rho)``.

    With a ``generator`` one kernel is drawn for all voxels. Without, every output voxel is drawn in training
    mode (local reparameterization, `moments.draw`) and the means are the weights in evaluation mode.
    ``weight`` and ``bias`` have the names of the deterministic layer.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, dimensions
        See `RandomKernels`.
    stride, padding : int
        As in `torch.nn.Conv3d`.

    References
    ----------
    Blundell et al., Weight uncertainty in neural networks, ICML 2015.
    """

    operations = CONVOLVE

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dimensions: int = 3,
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, dimensions)
        self.options = {"stride": stride, "padding": padding}

    def _empty_rho(self) -> Tensor:
        # Flat, as weight decay applies to parameters of several axes and variances shall not decay.
        return torch.empty(self.weight.numel())

    @property
    def weight_variance(self) -> Tensor:
        """s, the variance of every weight, in the shape of ``weight``."""
        return F.softplus(self.rho).view_as(self.weight)

    @torch.no_grad()
    def set_relative_variance(self, ratio: float) -> None:
        """Set the variance of every weight to ``ratio`` times the mean square of its kernel's weights."""
        variance = (ratio * self.kernels().square().mean(dim=1)).clamp_min(1e-10).double()
        shape = [1] * self.weight.dim()
        shape[self.kernel_axis] = -1
        self.rho.copy_(variance.expm1().log().view(shape).expand_as(self.weight).flatten())

    def kl_divergence(self) -> Tensor:
        """Divergence of all weights from ``N(0, PRIOR_VARIANCE)``, in nats; the bias is certain."""
        each = self.weight.reshape(-1, 1), self.weight_variance.flatten()
        return moments.gaussian_divergence(*each, PRIOR_VARIANCE)

    def sample_weight(self, generator: torch.Generator) -> Tensor:
        """Draw the weights; the random numbers are the same in every precision."""
        noise = torch.randn(self.weight.shape, generator=generator, device=self.weight.device)
        return self.weight + self.weight_variance.sqrt() * noise.to(self.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) to (B, K, D', H', W')."""
        convolve = self.operations[self.weight.dim() - 2]
        if self.generator is not None:
            return convolve(x, self.sample_weight(self.generator), self.bias, **self.options)
        mean = convolve(x, self.weight, self.bias, **self.options)
        if not self.training:
            return mean
        variance = convolve(x.square(), self.weight_variance, None, **self.options)
        return moments.draw(Gaussian(mean, variance))


class SampledTransposedConvolution(SampledConvolution):
    """2D or 3D transposed convolution; see `SampledConvolution`."""

    kernel_axis = 1
    operations = CONVOLVE_TRANSPOSED
