"""A long test run does not exhaust the references to None: see `qt_stand_ins/none_references.py`."""

from __future__ import annotations

import sys


def test_references_to_none_suffice_for_a_long_run(slicer_application):
    assert sys.getrefcount(None) > 2**30
    slicer_application.processEvents()
