"""Layers that take and return `Gaussian(mean, variance)`."""

from .convolution import (
    INITIAL_RELATIVE_VARIANCE,
    ClassConvolution,
    Convolution,
    RandomKernels,
    TransposedConvolution,
)
from .elementwise import Dropout, Propagate
from .normalization import BatchNorm, GroupNorm, InstanceNorm

__all__ = [
    "INITIAL_RELATIVE_VARIANCE",
    "BatchNorm",
    "ClassConvolution",
    "Convolution",
    "Dropout",
    "GroupNorm",
    "InstanceNorm",
    "Propagate",
    "RandomKernels",
    "TransposedConvolution",
]
