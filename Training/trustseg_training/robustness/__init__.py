"""Robustness tests of models and their uncertainty under noise, artifacts and attacks."""

from .command import VerificationPlan, Verified, verify, verify_loaded_models
from .models import ModelSelection, parse_group, parse_variant
from .suite import Suite, load_suite, load_suites

__all__ = [
    "ModelSelection",
    "Suite",
    "VerificationPlan",
    "Verified",
    "load_suite",
    "load_suites",
    "parse_group",
    "parse_variant",
    "verify",
    "verify_loaded_models",
]
