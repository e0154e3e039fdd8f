"""Analytic moments against those of sampled weight sets, layer by layer and at the output."""

from .command import MomentCheck, check_moments
from .crops import Crops, read_crops
from .scale import fit_variance_scale

__all__ = ["Crops", "MomentCheck", "check_moments", "fit_variance_scale", "read_crops"]
