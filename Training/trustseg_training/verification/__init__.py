"""Prove models under noise, artifacts and attacks, and say how trustworthy their uncertainty is."""

from .command import Verified, verify, verify_subjects
from .suite import Suite, load_suite

__all__ = ["Suite", "Verified", "load_suite", "verify", "verify_subjects"]
