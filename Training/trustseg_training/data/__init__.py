"""Patients as a network sees them: who trains, on which grid and in which patches."""

from .augmented_families import touched_families
from .cache import cache_at_hand
from .leakage import TRAINING_RECORD, check_leakage, patients_known_to, trained_patients, training_record
from .patients import PatientData
from .preprocessing import Sample
from .splits import apply_saved, assign

__all__ = [
    "TRAINING_RECORD",
    "PatientData",
    "Sample",
    "apply_saved",
    "assign",
    "cache_at_hand",
    "check_leakage",
    "patients_known_to",
    "touched_families",
    "trained_patients",
    "training_record",
]
