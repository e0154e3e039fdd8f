"""Times of steps and images, and a watcher that follows a run."""

from __future__ import annotations

import time

import pytest

from trustseg_training.config import FitConfiguration
from trustseg_training.data import PatientData
from trustseg_training.training import Segmentation, fit, measure


@pytest.fixture
def configuration(dataset) -> FitConfiguration:
    return FitConfiguration(
        data=str(dataset),
        structures=("Left half", "Right half"),
        filters=(2, 4),
        patch=(8, 8, 8),
        batch_size=2,
        epochs=2,
        patches_per_patient=3,
    )


@pytest.fixture
def data(configuration) -> PatientData:
    found = PatientData(configuration)
    found.setup()
    return found


def test_times_are_those_of_a_step_and_of_an_image(configuration, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    _slow(monkeypatch, "training_step", 0.2)
    _slow(monkeypatch, "validation_step", 0.4)
    found = measure(configuration, data, "cpu", seconds=0.5)
    assert found.step >= 0.2
    assert found.image >= 0.4
    assert sorted(tmp_path.rglob("*")) == before


def test_one_step_is_enough_where_it_takes_longer_than_anybody_waits(configuration, data, monkeypatch):
    steps = _slow(monkeypatch, "training_step", 0.3)
    found = measure(configuration, data, "cpu", seconds=0.01)
    assert len(steps) == 1
    assert found.step >= 0.3


def test_watcher_follows_the_steps_of_all_epochs(configuration, tmp_path, capsys):
    shares: list[float] = []
    fit(configuration, tmp_path / "run", accelerator="cpu", watcher=shares.append)
    assert shares == pytest.approx([step / 12 for step in range(1, 13)])
    assert "Epoch" not in capsys.readouterr().out


def _slow(monkeypatch, name: str, seconds: float) -> list:
    """Make a step of Lightning take so long at least; the list has an entry for each."""
    original, calls = getattr(Segmentation, name), []

    def slow(self, *arguments):
        calls.append(arguments)
        time.sleep(seconds)
        return original(self, *arguments)

    monkeypatch.setattr(Segmentation, name, slow)
    return calls
