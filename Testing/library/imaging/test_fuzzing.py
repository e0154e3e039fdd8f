"""Files with random faults: each is a volume, or one line of an error; nothing else, and never a crash."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from source_tree import ROOT

PROGRAM = ROOT / "Testing" / "harness" / "fuzz_images.py"
# Files of a format; GDCM takes a third of a second for each of its folders.
BUDGET = {"nifti": 400, "nrrd": 400, "meta": 400, "dicom": 40}


@pytest.mark.parametrize("name", BUDGET)
def test_damaged_file_is_read_or_refused(name, tmp_path):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), name, str(BUDGET[name]), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, f"{done.stderr[-3000:]}\nthe file is in {tmp_path / 'current'}"
    assert "'refused': 0" not in done.stdout
    assert "'read': 0" not in done.stdout
