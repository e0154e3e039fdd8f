"""The report of a robustness test: one HTML file for physicians, engineers and reviewers."""

from .examples import Example, PredictedSlice, choose_examples, examples_of
from .report import report_of, write_report

__all__ = ["Example", "PredictedSlice", "choose_examples", "examples_of", "report_of", "write_report"]
