"""Trained runs as a model bundle, with its card."""

from .calibration import check_new, recalibrated
from .card import command_line
from .evidence import RobustnessResults
from .exporting import export

__all__ = [
    "RobustnessResults",
    "check_new",
    "command_line",
    "export",
    "recalibrated",
]
