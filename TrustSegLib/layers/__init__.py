"""Layers that take and return `Gaussian(mean, variance)`, and those that give one draw of themselves."""

from .convolution import (
    INITIAL_RELATIVE_VARIANCE,
    ClassConvolution,
    Convolution,
    RandomKernels,
    TransposedConvolution,
)
from .drawn import PRIOR_VARIANCE, Drawn, DrawnConvolution, DrawnDropout, DrawnTransposedConvolution
from .elementwise import Dropout, Propagate
from .normalization import BatchNorm, GroupNorm, InstanceNorm
from .variance_head import VarianceHead

__all__ = [
    "INITIAL_RELATIVE_VARIANCE",
    "PRIOR_VARIANCE",
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
    "Propagate",
    "RandomKernels",
    "TransposedConvolution",
    "VarianceHead",
]
