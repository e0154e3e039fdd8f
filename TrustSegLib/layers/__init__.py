"""Layers of networks that propagate `Gaussian(mean, variance)`, and layers that are sampled.

The former stand in for those of `torch.nn`, also in an `nn.Sequential`: a convolution takes an image or a
Gaussian, every other layer a Gaussian, and all return one. Only the last, `ClassConvolution`, returns
`LogitMoments`, of which `moments.readout_exact` makes the moments of the class probabilities.
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
