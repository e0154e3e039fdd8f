"""Moments of ReLU and leaky ReLU of a Gaussian, in one pass forward and one backward."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import as_rows, blocks, working_dtype
from .gaussian import Gaussian
from .rectifier import ExactRectifier, Rectifier, TaylorRectifier


def leaky_relu_taylor(x: Gaussian, negative_slope: float = 0.0) -> Gaussian:
    """First-order moments; see `TaylorRectifier`. ``x`` is (B, C, ...); slope 0 is the ordinary ReLU."""
    return activate(x, TaylorRectifier(negative_slope))


def leaky_relu_exact(x: Gaussian, negative_slope: float = 0.0) -> Gaussian:
    """Exact moments; see `ExactRectifier`. ``x`` is (B, C, ...); slope 0 is the ordinary ReLU."""
    return activate(x, ExactRectifier(negative_slope))


def activate(x: Gaussian, rectifier: Rectifier) -> Gaussian:
    """Apply a rectifier block by block; only the input moments are kept for the backward pass.

    Parameters
    ----------
    x : Gaussian
        (B, C, ...). Half precision works in float32 inside.
    rectifier : Rectifier
        The activation's moments and derivatives.

    Returns
    -------
    Gaussian
    """
    return Gaussian(*_Activate.apply(x.mean, x.variance, rectifier))


class _Activate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, mean: Tensor, variance: Tensor, rectifier: Rectifier) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(mean, variance)
        ctx.rectifier = rectifier
        return _blockwise(rectifier.moments, mean, variance)

    @staticmethod
    @once_differentiable
    def backward(ctx, to_mean: Tensor, to_variance: Tensor) -> tuple[Tensor, Tensor, None]:
        mean, variance = ctx.saved_tensors
        return *_blockwise(ctx.rectifier.gradients, mean, variance, to_mean, to_variance), None


def _blockwise(function, *inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Run ``function`` on blocks of the inputs and write its two outputs."""
    rows = [as_rows(tensor) for tensor in inputs]
    outputs = torch.empty_like(rows[0]), torch.empty_like(rows[0])
    dtype = working_dtype(inputs[0])
    for place in blocks(rows[0]):
        results = function(*(row[place].to(dtype) for row in rows))
        for output, result in zip(outputs, results, strict=True):
            output[place].copy_(result)
    return outputs[0].view_as(inputs[0]), outputs[1].view_as(inputs[0])
