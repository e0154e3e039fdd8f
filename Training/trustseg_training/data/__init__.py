"""Patients as a network sees them: who trains, on which grid and in which patches."""

from .cache import cache_at_hand, disk_is_full
from .leakage import check_leakage, trained_patients
from .patients import PatientData
from .preprocessing import Sample
from .splits import apply_saved, assign

__all__ = [
    "PatientData",
    "Sample",
    "apply_saved",
    "assign",
    "cache_at_hand",
    "check_leakage",
    "disk_is_full",
    "trained_patients",
]
