"""Stress-test models under noise, artifacts and attacks, and say how trustworthy their uncertainty is."""

from .command import Verified, verify, verify_loaded_models
from .models import ModelSelection, parse_group, parse_variant
from .suite import Suite, load_suite

__all__ = [
    "ModelSelection",
    "Suite",
    "Verified",
    "load_suite",
    "parse_group",
    "parse_variant",
    "verify",
    "verify_loaded_models",
]
