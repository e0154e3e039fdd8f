"""From a data set to a calibrated model in one command that continues where it was stopped."""

from .making import commands, make_model
from .record import Request

__all__ = ["Request", "commands", "make_model"]
