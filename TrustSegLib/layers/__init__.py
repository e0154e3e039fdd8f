"""Layers that take and return `Gaussian(mean, variance)`, and those that give one draw of themselves."""

from .convolution import (
    INITIAL_RELATIVE_VARIANCE,
    ClassConvolution,
    Convolution,
    RandomKernels,
    TransposedConvolution,
)
from .drawn import PRIOR_VARIANCE, Drawn, DrawnConvolution, DrawnDropout, DrawnTransposedConvolution
from .elementwise import AveragePool, Dropout, LeakyReLU, MaxPool, Propagate, Upsample
from .normalization import BatchNorm, GroupNorm, InstanceNorm
from .variance_head import VarianceHead

__all__ = [
    "INITIAL_RELATIVE_VARIANCE",
    "PRIOR_VARIANCE",
    "AveragePool",
    "BatchNorm",
    "ClassConvolution",
    "Convolution",
    "Drawn",
    "DrawnConvolution",
    "DrawnDropout",
    "DrawnTransposedConvolution",
    "Dropout",
    "GroupNorm",
    "InstanceNorm",
    "LeakyReLU",
    "MaxPool",
    "Propagate",
    "RandomKernels",
    "TransposedConvolution",
    "Upsample",
    "VarianceHead",
]
