"""Two processes train as one with twice the batch: real processes, joined by gloo."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.training import lightning_module, load_weights

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--accelerator", "cpu", "--epochs", "1", "--gradient-clip", "none"]
TWO = ["--devices", "2", "--strategy", "ddp", "--batch-size", "1"]

# The command, but with the gradients of every step kept.
SCRIPT = """
import sys
import torch
from trustseg_training.training import lightning_module
from trustseg_training.cli import main

def keep(self, optimizer):
    gradients = {name: p.grad for name, p in self.network.named_parameters()}
    torch.save(gradients, f"{sys.argv[1]}.{self.global_step}.{self.global_rank}.pt")

lightning_module.Segmentation.on_before_optimizer_step = keep
sys.exit(main(sys.argv[2:]))
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gloo's launcher needs a POSIX system")


def _two(tmp_path: Path, command: list[str]) -> subprocess.CompletedProcess:
    script = tmp_path / "keep gradients.py"
    script.write_text(SCRIPT, encoding="utf-8")
    words = [
        sys.executable,
        str(script),
        str(tmp_path / "two"),
        *command,
        "-o",
        str(tmp_path / "run two"),
        *TWO,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=300)


def _one(tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    def keep(self, optimizer):
        gradients = {name: p.grad for name, p in self.network.named_parameters()}
        torch.save(gradients, tmp_path / f"one.{self.global_step}.0.pt")

    monkeypatch.setattr(lightning_module.Segmentation, "on_before_optimizer_step", keep)
    return main([*command, "-o", str(tmp_path / "run one"), "--batch-size", "2"])


def _gradients(tmp_path: Path, name: str, step: int, rank: int = 0) -> dict[str, torch.Tensor]:
    return torch.load(tmp_path / f"{name}.{step}.{rank}.pt", weights_only=True)


def _validated(run: Path) -> list[float]:
    (log,) = run.glob("csv/*/metrics.csv")
    with log.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["val/dice"]]
    return [float(row[f"val/dice{name}"]) for row in rows for name in ("", "_1", "_ball")]


def test_two_processes_step_and_validate_as_one_with_twice_the_batch(dataset, tmp_path, monkeypatch):
    """Three patients train, three validate: neither number is even."""
    command = ["fit", str(dataset), *OPTIONS, "--fold", "0", "--folds", "2", "--learning-rate", "1e-4"]
    command += ["--class-weights", "0.2", "1", "3", "--set", 'regions={"ball": [1, 2]}']
    two = _two(tmp_path, command)
    assert two.returncode == 0, two.stderr[-3000:]
    assert _one(tmp_path, command, monkeypatch) == 0
    expected = _gradients(tmp_path, "one", 0)
    tolerance = 1e-5 * max(float(gradient.abs().max()) for gradient in expected.values())
    for rank in (0, 1):
        found = _gradients(tmp_path, "two", 0, rank)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=tolerance, msg=name)
    assert not (tmp_path / "two.1.0.pt").exists()
    weights = [load_weights(tmp_path / f"run {name}")["body.head.weight"] for name in ("one", "two")]
    torch.testing.assert_close(*weights, rtol=0, atol=2e-4)
    (dice, together) = (_validated(tmp_path / f"run {name}") for name in ("one", "two"))
    assert together == pytest.approx(dice, abs=1e-3)


def test_a_value_that_is_not_finite_in_one_process_ends_both(dataset, tmp_path):
    script = tmp_path / "spoil.py"
    script.write_text(
        "import sys\n"
        "from trustseg_training.training import lightning_module\n"
        "from trustseg_training.cli import main\n"
        "original = lightning_module.Segmentation._terms\n"
        "def terms(self, image, target):\n"
        "    found = original(self, image, target)\n"
        "    scale = float('nan') if self.global_rank == 1 else 1.0\n"
        "    return {name: value * scale for name, value in found.items()}\n"
        "lightning_module.Segmentation._terms = terms\n"
        "sys.exit(main(sys.argv[1:]))\n",
        encoding="utf-8",
    )
    command = [sys.executable, str(script), "fit", str(dataset), "-o", str(tmp_path / "run"), *OPTIONS, *TWO]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 2, ended.stderr[-3000:]
    assert "smaller learning rate" in ended.stderr
