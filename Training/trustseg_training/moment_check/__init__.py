"""Analytic moments against those of sampled weight sets, layer by layer and at the output."""

from .agreement import fit_variance_scale
from .check import MomentCheck, check_moments
from .crops import Crops, read_crops

__all__ = ["Crops", "MomentCheck", "check_moments", "fit_variance_scale", "read_crops"]
