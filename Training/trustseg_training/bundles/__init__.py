"""Trained runs as a model bundle, with its card."""

from .command import command_line
from .exporting import export

__all__ = [
    "command_line",
    "export",
]
