"""Draws of activations."""

from __future__ import annotations

import torch
from torch import Tensor

from .blocks import working_dtype
from .gaussian import SMALLEST_VARIANCE, Gaussian


def draw(x: Gaussian) -> Tensor:
    """Draw every activation from its Gaussian with the global random numbers: local reparameterization.

    Kingma, Salimans and Welling, Variational dropout and the local reparameterization trick, 2015. In a
    convolution the draws of different voxels are independent, though one kernel serves them all: each voxel
    has the right mean and variance, and the gradient less noise than with one drawn kernel.

    Parameters
    ----------
    x : Gaussian
        (B, C, ...).

    Returns
    -------
    Tensor
        (B, C, ...), in the precision of the mean.
    """
    deviation = x.variance.to(working_dtype(x.variance)).clamp_min(SMALLEST_VARIANCE).sqrt()
    return x.mean + (deviation * torch.randn_like(deviation)).to(x.mean.dtype)
