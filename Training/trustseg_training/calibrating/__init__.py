"""Fit what a bundle's `calibration.json` holds: error probability, volume intervals and case quality."""

from .collecting import collect_answers
from .conditions import DEFAULT, conditions_of
from .fitting import Fitted, fit_all
from .record import lines, write_into_run

__all__ = ["DEFAULT", "Fitted", "collect_answers", "conditions_of", "fit_all", "lines", "write_into_run"]
