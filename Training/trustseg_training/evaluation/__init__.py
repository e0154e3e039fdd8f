"""How good a trained model is: scale its temperature, evaluate it, compare it, and measure what it costs."""

from .cases import check_same_cases, choose_cases
from .comparison import compare
from .cost import Cost, costs
from .ensemble import EnsembleModel, check_alike, check_members, load_evaluated_ensemble
from .evaluated_model import EvaluatedModel, LoadedModel, inference_settings, load_evaluated_model, variant_of
from .evaluation import MEASURES, TABLE, evaluate_loaded_models, evaluate_models
from .temperature_scaling import calibrate, calibrated, read_fit

__all__ = [
    "MEASURES",
    "TABLE",
    "Cost",
    "EnsembleModel",
    "EvaluatedModel",
    "LoadedModel",
    "calibrate",
    "calibrated",
    "check_alike",
    "check_members",
    "check_same_cases",
    "choose_cases",
    "compare",
    "costs",
    "evaluate_loaded_models",
    "evaluate_models",
    "inference_settings",
    "load_evaluated_ensemble",
    "load_evaluated_model",
    "read_fit",
    "variant_of",
]
