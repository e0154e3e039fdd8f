"""How good a trained model is: calibrate, evaluate, compare, and what it costs."""

from .alike import check_alike
from .calibration import calibrate, calibrated, read_fit
from .chosen_cases import check_same_cases, choose_cases
from .comparison import compare
from .cost import Cost, costs
from .ensemble import EnsembleModel, check_members, ensemble_subject
from .evaluation import MEASURES, TABLE, evaluate_models, evaluate_subjects
from .loaded import LoadedModel
from .subject import Subject, load_subject
from .variants import passed_through, varied

__all__ = [
    "MEASURES",
    "TABLE",
    "Cost",
    "EnsembleModel",
    "LoadedModel",
    "Subject",
    "calibrate",
    "calibrated",
    "check_alike",
    "check_members",
    "check_same_cases",
    "choose_cases",
    "compare",
    "costs",
    "ensemble_subject",
    "evaluate_models",
    "evaluate_subjects",
    "load_subject",
    "passed_through",
    "read_fit",
    "varied",
]
