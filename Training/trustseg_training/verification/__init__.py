"""Prove models under noise, artifacts and attacks, and say how trustworthy their uncertainty is."""

from .command import Verified, verify, verify_subjects
from .subjects import Roster, parse_group, parse_variant
from .suite import Suite, load_suite

__all__ = [
    "Roster",
    "Suite",
    "Verified",
    "load_suite",
    "parse_group",
    "parse_variant",
    "verify",
    "verify_subjects",
]
