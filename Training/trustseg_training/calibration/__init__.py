"""Fit what a bundle's `calibration.json` holds: error probability, volume intervals, case quality, input."""

from .answers import collect_answers
from .cases import DEFAULT, conditions_of
from .fitting import Fitted, fit_all
from .input_reference import with_input
from .record import lines, write_into_run

__all__ = [
    "DEFAULT",
    "Fitted",
    "collect_answers",
    "conditions_of",
    "fit_all",
    "lines",
    "with_input",
    "write_into_run",
]
