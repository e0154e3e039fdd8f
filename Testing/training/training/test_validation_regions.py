"""Regions, unions of labels that contain each other, in the validation of a run."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration, SettingError
from trustseg_training.data import PatientData
from trustseg_training.export.card import _log_table
from trustseg_training.training import lightning_module, load_weights, network_of
from TrustSegLib.inference.sliding_window import sliding_window

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--family", "deterministic"]
REGIONS = ["--set", 'regions={"whole ball": [1, 2], "core": [2]}']


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


def _log(run: Path) -> dict[str, float]:
    """The validation of the first epoch."""
    with (run / "csv" / "version_0" / "metrics.csv").open(encoding="utf-8") as stream:
        row = next(row for row in csv.DictReader(stream) if row["val/dice"])
    return {name: float(value) for name, value in row.items() if name.startswith("val/") and value}


def _measured(run: Path, union: tuple[int, ...]) -> float:
    """Mean Dice of a union of labels over the validation patients, written anew."""
    configuration = FitConfiguration.load(run)
    network = network_of(configuration).eval()
    network.load_state_dict(load_weights(run))
    scores = []
    for sample in PatientData(configuration, run).read("val"):
        mean, _ = sliding_window(sample["image"].numpy(), network, configuration.patch_shape)
        found, truth = (np.isin(labels, union) for labels in (mean.argmax(0), sample["label"][0].numpy()))
        scores.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
    return float(np.mean(scores))


@pytest.mark.parametrize("more", [(), ("--ema", "0.5")])
def test_score_of_an_epoch_is_the_mean_over_the_regions_and_every_one_is_logged(
    dataset, tmp_path, capsys, more
):
    run = tmp_path / "run"
    assert _fit(dataset, run, *REGIONS, *more, "--epochs", "1", "--learning-rate", "0.02") == 0
    logged = _log(run)
    unions = {"1": (1,), "2": (2,), "whole ball": (1, 2), "core": (2,)}
    assert set(logged) == {"val/dice", *(f"val/dice_{name}" for name in unions)}
    for name, union in unions.items():
        assert logged[f"val/dice_{name}"] == pytest.approx(_measured(run, union), abs=1e-5), name
    score = np.mean([logged["val/dice_whole ball"], logged["val/dice_core"]])
    assert logged["val/dice"] == pytest.approx(score, abs=1e-6)
    assert f"best epoch: mean Dice {score:.3f} of the regions" in capsys.readouterr().out
    header = (
        "| epoch | train/loss | val/dice_1 | val/dice_2 | val/dice_core | val/dice_whole ball | val/dice |"
    )
    assert _log_table(run).splitlines()[0] == header


def test_without_regions_the_score_is_the_mean_over_the_structures(dataset, tmp_path, capsys):
    assert _fit(dataset, tmp_path / "run", "--epochs", "1") == 0
    logged = _log(tmp_path / "run")
    assert set(logged) == {"val/dice", "val/dice_1", "val/dice_2"}
    assert logged["val/dice"] == pytest.approx((logged["val/dice_1"] + logged["val/dice_2"]) / 2)
    assert "of the regions" not in capsys.readouterr().out


def test_best_epoch_is_that_of_the_regions_even_where_the_structures_were_better_before(
    dataset, tmp_path, monkeypatch
):
    """Structures fall from epoch to epoch while the region rises."""
    structures = {0: 0.9, 1: 0.5, 2: 0.1}

    def table(self):
        part = structures[self.current_epoch]
        return np.array([[part, part, 1 - part]])

    monkeypatch.setattr(lightning_module.Segmentation, "_all_dice", table)
    assert _fit(dataset, tmp_path / "run", "--set", 'regions={"ball": [1, 2]}', "--epochs", "3") == 0
    assert torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)["epoch"] == 2


@pytest.mark.parametrize("name", ["1", "A", ""])
def test_region_whose_score_would_have_the_name_of_another_is_refused(name):
    with pytest.raises(SettingError, match="its name is no number and no structure's"):
        FitConfiguration(data="d", structures=("A", "B"), regions={name: (1, 2)})
