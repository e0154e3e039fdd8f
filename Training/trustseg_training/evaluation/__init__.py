"""Evaluation of trained models: temperature scaling, agreement with the truth, comparison and cost."""

from .cases import check_same_cases, choose_cases, inspector_of, on_model_grid, read_case
from .comparison import compare
from .cost import Cost, costs
from .ensemble import EnsembleModel, check_alike, check_members, load_evaluated_ensemble
from .evaluated_model import (
    EvaluatedModel,
    check_distinct_names,
    inference_settings,
    load_evaluated_model,
    variant_of,
)
from .evaluation import MEASURES, TABLE, evaluate_loaded_models, evaluate_models, means_of_patients
from .scale_fitting import calibrate
from .seen_families import Seen, family_of, seen_by
from .temperature_scaling import calibrated, read_fit

__all__ = [
    "MEASURES",
    "TABLE",
    "Cost",
    "EnsembleModel",
    "EvaluatedModel",
    "Seen",
    "calibrate",
    "calibrated",
    "check_alike",
    "check_distinct_names",
    "check_members",
    "check_same_cases",
    "choose_cases",
    "compare",
    "costs",
    "evaluate_loaded_models",
    "evaluate_models",
    "family_of",
    "inference_settings",
    "inspector_of",
    "load_evaluated_ensemble",
    "load_evaluated_model",
    "means_of_patients",
    "on_model_grid",
    "read_case",
    "read_fit",
    "seen_by",
    "variant_of",
]
