"""Calibration of a bundle: error probability, volume intervals, case quality and input reference."""

from .calibrating import CalibrationOptions, calibrate_run, fit_to_model
from .cases import DEFAULT, conditions_of
from .fitting import Fitted, fit_all
from .input_reference import with_input
from .record import lines, write_into_run
from .results import collect_results

__all__ = [
    "DEFAULT",
    "CalibrationOptions",
    "Fitted",
    "calibrate_run",
    "collect_results",
    "conditions_of",
    "fit_all",
    "fit_to_model",
    "lines",
    "with_input",
    "write_into_run",
]
