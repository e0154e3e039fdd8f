"""What a run leaves behind, and how it goes on after a stop or a mistake."""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from warm_processes import TrainingCommand

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.export.card import _log_table
from trustseg_training.training import fitting, lightning_module, load_weights
from TrustSegLib.errors import OptionError

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--family", "deterministic"]


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


def _epoch(run: Path, name: str) -> int:
    return torch.load(run / name, weights_only=True)["epoch"]


def _stop_in_epoch(monkeypatch, epoch: int, error: type[BaseException]) -> None:
    original = lightning_module.Segmentation.training_step

    def step(self, batch, index):
        if self.current_epoch == epoch:
            raise error(f"stopped in epoch {epoch}")
        return original(self, batch, index)

    monkeypatch.setattr(lightning_module.Segmentation, "training_step", step)


def _watch_epochs(monkeypatch) -> list[int]:
    """The epoch of every training step from now on."""
    original, epochs = lightning_module.Segmentation.training_step, []

    def step(self, batch, index):
        epochs.append(self.current_epoch)
        return original(self, batch, index)

    monkeypatch.setattr(lightning_module.Segmentation, "training_step", step)
    return epochs


def _falling_dice(monkeypatch) -> None:
    """Validation that is best in the first epoch."""

    def end(self):
        self._dice.clear()
        self.log("val/dice", 1.0 / (1 + self.current_epoch))

    monkeypatch.setattr(lightning_module.Segmentation, "on_validation_epoch_end", end)


def test_last_checkpoint_is_of_the_last_epoch_even_when_another_is_the_best(dataset, tmp_path, monkeypatch):
    _falling_dice(monkeypatch)
    assert _fit(dataset, tmp_path / "run", "--epochs", "3") == 0
    assert (_epoch(tmp_path / "run", "best.ckpt"), _epoch(tmp_path / "run", "last.ckpt")) == (0, 2)


def test_resumed_run_keeps_the_best_epoch_and_the_log_of_the_first_start(dataset, tmp_path, monkeypatch):
    run = tmp_path / "run"
    _falling_dice(monkeypatch)
    with monkeypatch.context() as patch:
        _stop_in_epoch(patch, 2, FloatingPointError)
        assert _fit(dataset, run, "--epochs", "4") == 2
    assert _fit(dataset, run, "--epochs", "4", "--resume") == 0
    assert (_epoch(run, "best.ckpt"), _epoch(run, "last.ckpt")) == (0, 3)
    stopped = run / "csv" / "stopped_in_its_first_epoch" / "metrics.csv"
    stopped.parent.mkdir()
    stopped.write_text("lr-AdamW,step\n0.001,0\n")
    rows = _log_table(run).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["1", "2", "3", "4"]
    assert "" not in [row.split("|")[2].strip() for row in rows]
    assert {path.name for path in run.glob("*.ckpt")} == {"best.ckpt", "last.ckpt"}


def test_resumed_run_goes_on_with_the_steps_of_the_optimizer(dataset, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        _stop_in_epoch(patch, 1, FloatingPointError)
        assert _fit(dataset, run, "--epochs", "3") == 2
    trained = _watch_epochs(monkeypatch)
    assert _fit(dataset, run, "--epochs", "3", "--resume") == 0
    assert trained == [1, 1, 2, 2]
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    assert (checkpoint["epoch"], checkpoint["global_step"]) == (2, 6)
    steps = {int(state["step"]) for state in checkpoint["optimizer_states"][0]["state"].values()}
    assert steps == {6}


def test_run_stopped_in_its_first_epoch_can_be_resumed(dataset, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        _stop_in_epoch(patch, 0, FloatingPointError)
        assert _fit(dataset, tmp_path / "run", "--epochs", "1") == 2
    assert _fit(dataset, tmp_path / "run", "--epochs", "1", "--resume") == 0
    assert _fit(dataset, tmp_path / "unbroken", "--epochs", "1") == 0
    expected, resumed = (load_weights(tmp_path / name) for name in ("unbroken", "run"))
    assert all(torch.equal(value, resumed[name]) for name, value in expected.items())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_interrupt_says_how_to_continue(dataset, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "trustseg_training", "fit", str(dataset), "-o", str(run), *OPTIONS]
    with (tmp_path / "fit.log").open("w") as log:
        process = TrainingCommand([*command, "--epochs", "10000"], stdout=log)
    while not (run / "last.ckpt").is_file() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    error = (tmp_path / "fit.log").read_text()
    assert "stopped; repeat the command with --resume to continue" in error
    assert "Traceback" not in error


def test_data_that_cannot_be_used_leave_no_folder(dataset, tmp_path, capsys):
    (dataset / "labelsTr" / "case_3.nii.gz").unlink()
    assert _fit(dataset, tmp_path / "run") == 2
    assert "case_3.nii.gz: not found" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_resume_with_another_option_names_it(dataset, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    assert _fit(dataset, run, "--epochs", "1") == 0
    assert _fit(dataset, run, "--epochs", "1", "--resume", "--seed", "7") == 2
    assert "was started with another seed, 1;" in capsys.readouterr().err


def test_output_that_cannot_be_a_folder_is_refused_in_one_line(dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert _fit(dataset, tmp_path / "file") == 2
    assert "not a folder" in capsys.readouterr().err
    assert _fit(dataset, tmp_path / "file" / "run") == 2
    assert "cannot be written" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_missing_gpu_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting.CUDAAccelerator, "is_available", staticmethod(lambda: False))
    monkeypatch.setattr(fitting.MPSAccelerator, "is_available", staticmethod(lambda: False))
    configuration = FitConfiguration(data=str(tmp_path / "nothing"), structures=("A",))
    with pytest.raises(OptionError, match="no GPU"):
        fitting.fit(configuration, tmp_path / "run", accelerator="gpu")


def test_damaged_configuration_and_checkpoint_are_named(tmp_path):
    configuration = FitConfiguration(data="data", structures=("A",))
    configuration.save(tmp_path)
    assert FitConfiguration.load(tmp_path) == configuration
    path = tmp_path / "configuration.json"
    whole = path.read_text()
    for damaged in (whole[:40], whole.replace('"seed"', '"sead"'), "[1]"):
        path.write_text(damaged)
        with pytest.raises(OptionError, match=r"configuration\.json: not a configuration"):
            FitConfiguration.load(tmp_path)
    (tmp_path / "best.ckpt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(OptionError, match=r"best\.ckpt: not a checkpoint"):
        load_weights(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", 2**32),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("weight_decay", -1e-4),
        ("kl_weight", -1.0),
        ("logit_samples", 7),
        ("relative_variance", 0.0),
        ("variance_learning_rate", 0.0),
        ("spacing", (1.0, 0.0, 1.0)),
        ("patch", (40, 56, 38)),
        ("precision", "16"),
        ("family", "ensemble"),
    ],
)
def test_value_that_cannot_train_is_refused(name, value):
    good = FitConfiguration(data="data", structures=("A",))
    with pytest.raises(OptionError, match=f"^{name.replace('_', '-')} "):
        dataclasses.replace(good, **{name: value})
