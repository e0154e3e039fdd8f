"""Resuming a run that has come to its end: it says so, tells its best score and changes nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.data import PatientData
from trustseg_training.training import fit, lightning_module

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--family", "deterministic"]


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


@pytest.fixture(autouse=True)
def _best_in_the_second_epoch(monkeypatch):
    def end(self):
        self._dice.clear()
        self.log("val/dice", 0.75 / (1 + abs(self.current_epoch - 1)))

    monkeypatch.setattr(lightning_module.Segmentation, "on_validation_epoch_end", end)


def _files(run: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ("--epochs", "30", "--early-stopping", "2"),
            "run: ended early, without a better validation, after 4 epochs: nothing to resume",
        ),
        (("--epochs", "2"), "run: is finished, after 2 epochs: nothing to resume"),
        (("--epochs", "3", "--early-stopping", "9"), "run: is finished, after 3 epochs: nothing to resume"),
    ],
)
def test_finished_run_is_reported_and_left_unchanged(
    dataset, tmp_path, monkeypatch, capsys, caplog, more, message
):
    run = tmp_path / "run"
    assert _fit(dataset, run, *more) == 0
    before = _files(run)
    monkeypatch.setattr(PatientData, "setup", None)  # nobody needs to read the images
    capsys.readouterr()
    caplog.clear()
    assert _fit(dataset, run, *more, "--resume") == 0
    printed = capsys.readouterr()
    assert message in caplog.text + printed.err
    assert "best epoch: mean Dice 0.750 on the validation patients" in printed.out
    assert "Traceback" not in printed.err
    assert _files(run) == before
    assert fit(FitConfiguration.load(run), run, resume=True, accelerator="cpu") == 0.75


def test_run_stopped_while_waiting_for_a_better_epoch_continues(dataset, tmp_path, monkeypatch):
    run, more = tmp_path / "run", ("--epochs", "30", "--early-stopping", "2")
    original = lightning_module.Segmentation.training_step

    def interrupted(self, batch, index):
        if self.current_epoch == 3:  # one epoch without a better one lies behind
            raise FloatingPointError("the loss is nan")
        return original(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(lightning_module.Segmentation, "training_step", interrupted)
        assert _fit(dataset, run, *more) == 2
    assert _fit(dataset, run, *more, "--resume") == 0
    assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] == 3


def test_ended_run_with_other_options_is_refused_first(dataset, tmp_path, capsys):
    run = tmp_path / "run"
    assert _fit(dataset, run, "--epochs", "1") == 0
    assert _fit(dataset, run, "--epochs", "2", "--resume") == 2
    assert "was started with another epochs, 1;" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"])
def test_last_checkpoint_that_is_damaged_is_named_in_one_line(dataset, tmp_path, capsys, content):
    run = tmp_path / "run"
    assert _fit(dataset, run, "--epochs", "1") == 0
    (run / "last.ckpt").write_bytes(content)
    capsys.readouterr()
    assert _fit(dataset, run, "--epochs", "1", "--resume") == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert "last.ckpt: not a checkpoint of a run, or damaged" in error[0]


def test_full_disk_under_a_checkpoint_leaves_the_one_before_whole(dataset, tmp_path, monkeypatch, capsys):
    from fsspec.implementations.local import LocalFileOpener

    run, original, checkpoints = tmp_path / "run", LocalFileOpener.write, []

    def write(self, content, *arguments):
        if len(content) < 10_000:  # a log
            return original(self, content, *arguments)
        checkpoints.append(len(content))
        if len(checkpoints) <= 2:  # best and last of the first epoch
            return original(self, content, *arguments)
        original(self, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileOpener, "write", write)
        assert _fit(dataset, run, "--epochs", "3") == 2
    error = capsys.readouterr().err
    assert "run: the disk is full; make room, then repeat the command with --resume" in error
    assert "Traceback" not in error
    assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] == 0
    assert {path.name for path in run.glob("*.ckpt*")} == {"best.ckpt", "last.ckpt"}
    assert _fit(dataset, run, "--epochs", "3", "--resume") == 0
    assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] == 2
