"""Layers of networks that propagate `Gaussian(mean, variance)`, and layers that are sampled.

The former take the place of those of `torch.nn`, also in an `nn.Sequential`. `Convolution` takes an image or
a Gaussian, the others take a Gaussian, and all return one. Only `ClassConvolution`, the last, returns
`LogitMoments`; `moments.readout_exact` gives the moments of their class probabilities.
"""

from .convolution import (
    INITIAL_RELATIVE_VARIANCE,
    ClassConvolution,
    Convolution,
    RandomKernels,
    TransposedConvolution,
)
from .normalization import BatchNorm, GroupNorm, InstanceNorm
from .parameter_free import (
    AveragePool,
    Dropout,
    LeakyReLU,
    MaxPool,
    Propagate,
    ReLU,
    Upsample,
    rectifier,
)
from .sampled import PRIOR_VARIANCE, Sampled, SampledConvolution, SampledDropout, SampledTransposedConvolution
from .variance_head import VarianceHead

__all__ = [
    "INITIAL_RELATIVE_VARIANCE",
    "PRIOR_VARIANCE",
    "AveragePool",
    "BatchNorm",
    "ClassConvolution",
    "Convolution",
    "Dropout",
    "GroupNorm",
    "InstanceNorm",
    "LeakyReLU",
    "MaxPool",
    "Propagate",
    "RandomKernels",
    "ReLU",
    "Sampled",
    "SampledConvolution",
    "SampledDropout",
    "SampledTransposedConvolution",
    "TransposedConvolution",
    "Upsample",
    "VarianceHead",
    "rectifier",
]
