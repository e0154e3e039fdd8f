"""Trained runs as a model bundle, with its card."""

from .command import command_line
from .exporting import export
from .recalibrating import check_new, recalibrated
from .verification_section import Verdicts

__all__ = [
    "Verdicts",
    "check_new",
    "command_line",
    "export",
    "recalibrated",
]
