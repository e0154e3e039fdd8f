"""The benchmark runs and writes what it prints; its figures are not tested."""

from __future__ import annotations

import json
import subprocess
import sys

from source_tree import ROOT


def test_benchmark_measures_every_variant_against_the_deterministic_twin(tmp_path):
    command = [sys.executable, str(ROOT / "Testing/benchmarks/bench.py"), "--quick", "--rounds", "1"]
    finished = subprocess.run([*command, "-o", str(tmp_path)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert {row["variant"] for row in rows} == {"deterministic", "taylor", "exact"}
    assert {row["kind"] for row in rows} == {"inference", "training_step"}
    assert all(row["ratio"] == 1.0 for row in rows if row["variant"] == "deterministic")
    assert (tmp_path / "bench.md").read_text() in finished.stdout
