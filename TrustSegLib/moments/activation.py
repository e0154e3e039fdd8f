"""Moments of ReLU and leaky ReLU of a Gaussian, in one pass forward and one backward."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import as_rows, blocks, working_dtype, written_to
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
        inputs, outputs = _rows(mean, variance), _rows(torch.empty_like(mean), torch.empty_like(variance))
        for place in blocks(inputs[0]):
            block = [row[place].to(working_dtype(mean)) for row in inputs]
            with written_to([row[place] for row in outputs], block[0]) as out:
                rectifier.moments(*block, out)
        return outputs[0].view_as(mean), outputs[1].view_as(mean)

    @staticmethod
    @once_differentiable
    def backward(ctx, to_mean: Tensor, to_variance: Tensor) -> tuple[Tensor, Tensor, None]:
        mean, variance = ctx.saved_tensors
        inputs = _rows(mean, variance, to_mean, to_variance)
        outputs = _rows(torch.empty_like(mean), torch.empty_like(variance))
        for place in blocks(inputs[0]):
            results = ctx.rectifier.gradients(*(row[place].to(working_dtype(mean)) for row in inputs))
            for output, result in zip(outputs, results, strict=True):
                output[place].copy_(result)
        return outputs[0].view_as(mean), outputs[1].view_as(mean), None


def _rows(*tensors: Tensor) -> list[Tensor]:
    return [as_rows(tensor) for tensor in tensors]
