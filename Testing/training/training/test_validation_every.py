"""Validation after some of the epochs only, for families whose prediction takes many passes."""

from __future__ import annotations

import csv

import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from TrustSegLib.errors import OptionError


def test_only_every_second_epoch_is_validated_and_every_one_is_kept(dataset, tmp_path):
    run = tmp_path / "run"
    command = ["fit", str(dataset), "-o", str(run), "--structures", "Left half", "Right half"]
    command += ["--family", "deterministic", "--filters", "2", "4", "--patch", "8", "8", "8"]
    assert main([*command, "--epochs", "4", "--validation-every", "2", "--accelerator", "cpu"]) == 0
    with next(run.glob("csv/*/metrics.csv")).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows if row["val/dice"]] == ["1", "3"]
    assert {row["epoch"] for row in rows if row["train/loss"]} == {"0", "1", "2", "3"}
    last = torch.load(run / "last.ckpt", weights_only=True)
    assert last["epoch"] == 3
    best = torch.load(run / "best.ckpt", weights_only=True)
    assert best["epoch"] in (1, 3)


@pytest.mark.parametrize("every", [0, 3, 8])
def test_last_epoch_has_to_be_validated(every):
    with pytest.raises(OptionError, match="validation-every"):
        FitConfiguration(data="d", structures=("a",), epochs=4, validation_every=every)
