"""Best or last epoch: what is evaluated, calibrated and exported, and that it is written down."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.evaluation import load_evaluated_model, read_fit
from trustseg_training.training import BEST, LAST, lightning_module, load_weights
from TrustSegLib.bundle import load_bundle
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.errors import OptionError

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--epochs", "3", "--learning-rate", "0.02"]
# With full divergence, two patients settle no temperature of so small a network: all stop at the same limit.
OPTIONS += ["--kl-weight", "0.01"]
CLEAN = ["--device", "cpu", "--conditions", "clean"]


def _fit(dataset: Path, run: Path, *more: str) -> Path:
    """A run whose first epoch is the best."""
    with pytest.MonkeyPatch.context() as patch:

        def end(self):
            self._dice.clear()
            self.log("val/dice", 1.0 / (1 + self.current_epoch))

        patch.setattr(lightning_module.Segmentation, "on_validation_epoch_end", end)
        assert main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more]) == 0
    return run


@pytest.fixture
def run(dataset, tmp_path) -> Path:
    """A variational run."""
    return _fit(dataset, tmp_path / "run")


def _evaluate(run: Path, dataset: Path, output: Path, *more: str) -> dict:
    command = ["evaluate", str(run), "--data", str(dataset), "-o", str(output), "--device", "cpu", *more]
    assert main(command) == 0
    return json.loads((output / "evaluation.json").read_text(encoding="utf-8"))


def _volumes(folder: Path) -> list[str]:
    with (folder / "evaluation.csv").open(encoding="utf-8", newline="") as stream:
        return [row["volume_ml"] for row in csv.DictReader(stream)]


def test_last_epoch_is_evaluated_on_request_and_the_best_otherwise(run, dataset, tmp_path):
    other = tmp_path / "copy"
    shutil.copytree(run, other)
    shutil.copy(run / LAST, other / BEST)
    summaries = {
        "default": _evaluate(run, dataset, tmp_path / "default"),
        "best": _evaluate(run, dataset, tmp_path / "best", "--checkpoint", "best"),
        "last": _evaluate(run, dataset, tmp_path / "last", "--checkpoint", "last"),
        "copy": _evaluate(other, dataset, tmp_path / "copied"),
    }
    assert [each["checkpoint"] for each in summaries.values()] == [BEST, BEST, LAST, BEST]
    assert summaries["last"]["sha256"] == sha256_of(run / LAST) == summaries["copy"]["sha256"]
    assert summaries["best"]["sha256"] == sha256_of(run / BEST)
    assert _volumes(tmp_path / "last") == _volumes(tmp_path / "copied") != _volumes(tmp_path / "best")
    assert _volumes(tmp_path / "default") == _volumes(tmp_path / "best")


def test_each_checkpoint_has_its_own_calibration(run):
    for name in ("best", "last"):
        assert main(["calibrate", str(run), "--checkpoint", name, *CLEAN]) == 0
    best, last = read_fit(run), read_fit(run, LAST)
    assert (best["checkpoint"], last["checkpoint"]) == (BEST, LAST)
    assert (run / "calibration-last.json").is_file()
    assert best["temperature"] != last["temperature"]
    for checkpoint, fitted in ((BEST, best), (LAST, last)):
        network = load_evaluated_model(run, checkpoint=checkpoint).model.network()
        assert network.options.temperature == fitted["temperature"]
        weights = load_weights(run, checkpoint)["body.head.weight"]
        assert torch.equal(network.state_dict()["body.head.weight"], weights)
    shutil.copy(run / BEST, run / LAST)
    with pytest.raises(OptionError, match=r"calibration-last\.json: was fitted to other weights than last"):
        load_evaluated_model(run, checkpoint=LAST)
    (run / LAST).unlink()
    with pytest.raises(OptionError, match=r"last\.ckpt: not found"):
        load_evaluated_model(run, checkpoint=LAST)


@pytest.mark.parametrize(
    ("more", "checkpoint", "message"),
    [
        ((), "best", "the epoch was chosen on them."),
        ((), "last", "the weights are of the last epoch, which was not chosen on them."),
        (("--early-stopping", "5"), "last", "of the last epoch, but early stopping ended the run by them."),
    ],
)
def test_bundle_has_the_weights_that_its_card_names(dataset, details, tmp_path, more, checkpoint, message):
    run, bundle = _fit(dataset, tmp_path / "run", *more), tmp_path / "bundle"
    command = ["calibrate", str(run), "--checkpoint", checkpoint, *CLEAN, "--scale-conditions", "clean"]
    assert main(command) == 0
    command = ["export", str(run), "-o", str(bundle), "--details", str(details), "--checkpoint", checkpoint]
    assert main(command) == 0
    loaded, file = load_bundle(bundle), f"{checkpoint}.ckpt"
    expected = load_weights(run, file)
    assert all(torch.equal(value, expected[name]) for name, value in loaded.network().state_dict().items())
    assert loaded.metrics()["checkpoint"] == file
    assert loaded.metrics()["calibration"] == read_fit(run, file)
    assert message in loaded.card()


def test_members_are_joined_from_the_requested_checkpoint(dataset, details, tmp_path):
    more = ("--family", "deterministic")
    runs = [_fit(dataset, tmp_path / f"m{seed}", *more, "--seed", str(seed)) for seed in (1, 2)]
    command = ["export", "--members", *map(str, runs), "--details", str(details), "--checkpoint", "last"]
    assert main([*command, "-o", str(tmp_path / "bundle")]) == 0
    joined = load_bundle(tmp_path / "bundle").network().state_dict()
    for run in runs:
        own = load_weights(run, LAST)["body.head.weight"]
        assert any(value.shape == own.shape and torch.equal(value, own) for value in joined.values())


def test_last_epoch_of_a_bundle_is_refused(dataset, tmp_path, capsys):
    command = ["evaluate", "hippocampus-t1", "--data", str(dataset), "-o", str(tmp_path / "out")]
    assert main([*command, "--checkpoint", "last"]) == 2
    assert "a bundle has no last.ckpt; evaluate it without --checkpoint" in capsys.readouterr().err
    summary = _evaluate(Path("hippocampus-t1"), dataset, tmp_path / "out")
    assert summary["checkpoint"] is None
