"""Moments of network operations: pure functions that propagate mean and variance in one pass."""

from .activation import (
    ExactRectifier,
    Rectifier,
    TaylorRectifier,
    activate,
    leaky_relu_exact,
    leaky_relu_taylor,
)
from .channel_correlation import CorrelatedGaussian, carry
from .classification import class_logits
from .combination import add, concatenate, dropout, dropout_expected
from .convolution import convolution, transposed_convolution
from .divergence import empirical_divergence, gaussian_divergence
from .fused import normalize_and_activate
from .gaussian import SMALLEST_VARIANCE, ClassMoments, Gaussian, LogitMoments
from .normalization import batch_norm, batch_statistics, group_norm, instance_norm
from .pooling import average_pool, max_pool
from .power import power
from .readout import READOUT_SAMPLES, readout_exact, readout_taylor, sample_logits
from .sampling import draw, mixture_moments
from .upsampling import insert_zeros, upsample_linear, upsample_nearest

__all__ = [
    "READOUT_SAMPLES",
    "SMALLEST_VARIANCE",
    "ClassMoments",
    "CorrelatedGaussian",
    "ExactRectifier",
    "Gaussian",
    "LogitMoments",
    "Rectifier",
    "TaylorRectifier",
    "activate",
    "add",
    "average_pool",
    "batch_norm",
    "batch_statistics",
    "carry",
    "class_logits",
    "concatenate",
    "convolution",
    "draw",
    "dropout",
    "dropout_expected",
    "empirical_divergence",
    "gaussian_divergence",
    "group_norm",
    "insert_zeros",
    "instance_norm",
    "leaky_relu_exact",
    "leaky_relu_taylor",
    "max_pool",
    "mixture_moments",
    "normalize_and_activate",
    "power",
    "readout_exact",
    "readout_taylor",
    "sample_logits",
    "transposed_convolution",
    "upsample_linear",
    "upsample_nearest",
]
