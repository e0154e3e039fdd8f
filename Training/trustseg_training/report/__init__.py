"""The report of a robustness test: one HTML file for physicians, engineers and reviewers."""

from .examples import Example, Shown, choose_examples, examples_of
from .report import REPORT, report_of, write_report

__all__ = ["REPORT", "Example", "Shown", "choose_examples", "examples_of", "report_of", "write_report"]
