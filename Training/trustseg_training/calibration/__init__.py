"""Calibration of a bundle: error probability, volume intervals, case quality and input reference."""

from .cases import DEFAULT, conditions_of
from .fitting import Fitted, fit_all
from .input_reference import with_input
from .record import lines, write_into_run
from .results import collect_results

__all__ = [
    "DEFAULT",
    "Fitted",
    "collect_results",
    "conditions_of",
    "fit_all",
    "lines",
    "with_input",
    "write_into_run",
]
