"""Metrics of two masks, and statistics of metrics."""

from .cut_errors import Overlap, union_and_cut
from .mask_agreement import Agreement, agreement, dice, hd95, iou
from .statistics import Difference, Mean, bootstrap_mean, paired_difference

__all__ = [
    "Agreement",
    "Difference",
    "Mean",
    "Overlap",
    "agreement",
    "bootstrap_mean",
    "dice",
    "hd95",
    "iou",
    "paired_difference",
    "union_and_cut",
]
