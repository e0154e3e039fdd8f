"""How good a trained model is: calibrate, evaluate and compare."""

from .calibration import calibrate, calibrated, read_fit
from .comparison import compare
from .evaluation import MEASURES, TABLE, evaluate_models

__all__ = [
    "MEASURES",
    "TABLE",
    "calibrate",
    "calibrated",
    "compare",
    "evaluate_models",
    "read_fit",
]
