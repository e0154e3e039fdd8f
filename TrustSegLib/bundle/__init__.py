"""A model on disk: save, verify, load."""

from TrustSegLib.bundle.description import (
    Code,
    ModelDescription,
    ModelInput,
    Structure,
    Terminology,
    TrainingRecord,
)
from TrustSegLib.bundle.loading import Bundle, load_bundle, verify_bundle
from TrustSegLib.bundle.locator import FieldOfView, Locator
from TrustSegLib.bundle.registry import bundled_models, find_bundle, known_models, load_known_models
from TrustSegLib.bundle.saving import save_bundle

__all__ = [
    "Bundle",
    "Code",
    "FieldOfView",
    "Locator",
    "ModelDescription",
    "ModelInput",
    "Structure",
    "Terminology",
    "TrainingRecord",
    "bundled_models",
    "find_bundle",
    "known_models",
    "load_bundle",
    "load_known_models",
    "save_bundle",
    "verify_bundle",
]
