"""Whether a calibrated model says so when it fails: silent failures and false alarms, by condition."""

from .assessment import assess_alarms
from .changes import CHANGES
from .tables import TABLE, summary_table, write

__all__ = ["CHANGES", "TABLE", "assess_alarms", "summary_table", "write"]
