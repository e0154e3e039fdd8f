"""The command: fit, resume, warm start, export; and what a person can get wrong."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from trustseg_training.cli import main
from trustseg_training.training import load_weights
from TrustSegLib.bundle import load_bundle

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu"]


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


def _log(run: Path, column: str) -> list[float]:
    with (run / "csv" / "version_0" / "metrics.csv").open() as stream:
        return [float(row[column]) for row in csv.DictReader(stream) if row.get(column)]


@pytest.fixture(scope="module")
def finished(shared_dataset, tmp_path_factory) -> tuple[Path, str]:
    """A run of the command in a process of its own, and what that said."""
    run = tmp_path_factory.mktemp("process") / "run"
    command = [sys.executable, "-m", "trustseg_training", "fit", str(shared_dataset), "-o", str(run)]
    done = subprocess.run([*command, *OPTIONS, "--epochs", "6"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return run, done.stdout + done.stderr


def test_training_as_a_process_learns_and_leaves_log_and_checkpoints(finished):
    run, _ = finished
    losses = _log(run, "train/loss")
    assert len(losses) == 6
    assert losses[-1] < losses[0]
    assert list(run.glob("tensorboard/**/events*"))
    assert {"best.ckpt", "last.ckpt", "configuration.json"} <= {path.name for path in run.iterdir()}


def test_resumed_run_ends_with_the_weights_of_an_unbroken_one(dataset, tmp_path, monkeypatch):
    from trustseg_training.training import lightning_module

    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    assert _fit(dataset, unbroken, "--epochs", "3") == 0
    original = lightning_module.Segmentation.training_step

    def interrupted(self, batch, index):
        if self.current_epoch == 2:
            raise FloatingPointError("the loss is nan in epoch 2")
        return original(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(lightning_module.Segmentation, "training_step", interrupted)
        assert _fit(dataset, broken, "--epochs", "3") == 2
    assert _fit(dataset, broken, "--epochs", "3", "--resume") == 0
    expected, resumed = load_weights(unbroken, "last.ckpt"), load_weights(broken, "last.ckpt")
    for name, value in expected.items():
        assert torch.equal(value, resumed[name]), name


def test_same_seed_gives_the_same_weights_and_another_seed_others(dataset, tmp_path):
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert _fit(dataset, tmp_path / name, "--epochs", "1", "--seed", seed) == 0
    first, again, other = (load_weights(tmp_path / name, "last.ckpt") for name in "abc")
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["body.head.weight"], other["body.head.weight"])


def test_deterministic_run_starts_a_variational_one_and_exports(dataset, tmp_path):
    first, twin, run, bundle = (tmp_path / name for name in ("first", "twin", "run", "halves"))
    assert _fit(dataset, first, "--family", "deterministic", "--epochs", "1") == 0
    start = ("--initialize-from", str(first))
    assert _fit(dataset, twin, "--family", "deterministic", "--epochs", "1", *start) == 0
    start = ("--initialize-from", str(twin), "--epochs", "1", "--learning-rate", "1e-9")
    assert _fit(dataset, run, *start) == 0
    before, after = load_weights(twin), load_weights(run)
    torch.testing.assert_close(before["body.head.weight"], after["body.head.weight"])
    details = tmp_path / "details.json"
    details.write_text(json.dumps(_details()))
    assert main(["export", str(run), "-o", str(bundle), "--details", str(details)]) == 0
    loaded = load_bundle(bundle)
    assert loaded.description.training.patients == {"train": 4, "validation": 2}
    assert torch.equal(loaded.network().state_dict()["body.head.weight"], after["body.head.weight"])
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "2 validation patients" in card
    commands = [line for line in card.splitlines() if line.startswith("trustseg-train fit")]
    chain = [re.findall(r"--(?:initialize-from|output) (\w+)", line) for line in commands]
    assert chain == [["first"], ["first", "twin"], ["twin", "RUN"]]
    assert str(tmp_path) not in card + (bundle / "model.json").read_text()
    assert len(json.loads((bundle / "metrics.json").read_text())["validation_patients"]) == 4


def _details() -> dict:
    code = {"scheme": "SCT", "code": "123037004", "meaning": "Anatomical Structure"}
    structure = {"color": [1, 2, 3], "terminology": {"category": code, "type": code}}
    return {
        "name": "halves",
        "version": "0.1.0",
        "description": "Two halves of a ball.",
        "modality": "MR",
        "channels": ["T1"],
        "license": "CC0-1.0",
        "data": "synthetic",
        "data_license": "CC0-1.0",
        "limits": ["A test."],
        "structures": [
            {"label": 1, "name": "Left half", **structure},
            {"label": 2, "name": "Right half", **structure},
        ],
    }


def _rewrite(path: Path, change) -> None:
    image = sitk.ReadImage(str(path))
    array = change(sitk.GetArrayFromImage(image))
    changed = sitk.GetImageFromArray(array)
    sitk.WriteImage(changed, str(path))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: shutil.rmtree(data / "labelsTr"), "labelsTr: not found"),
        (lambda data: (data / "imagesTr" / "case_1.nii.gz").unlink(), "case_1.nii.gz: not found"),
        (
            lambda data: (data / "splits.csv").open("a").write("case_0,val\n"),
            "case_0 stands in it more than once",
        ),
        (
            lambda data: (data / "splits.csv").write_text("case,split\ncase_0,train\n"),
            "no patient has split val",
        ),
        (
            lambda data: _rewrite(data / "labelsTr" / "case_2.nii.gz", lambda a: np.where(a == 2, 7, a)),
            "label values [0, 1, 7]",
        ),
        (
            lambda data: _rewrite(data / "labelsTr" / "case_2.nii.gz", lambda a: a[1:]),
            "not on the grid",
        ),
    ],
)
def test_unusable_data_is_named(dataset, tmp_path, capsys, damage, message):
    damage(dataset)
    assert _fit(dataset, tmp_path / "run", "--epochs", "1") == 2
    error = capsys.readouterr().err
    assert "trustseg-train: error: " in error
    assert message in error
    assert "Traceback" not in error


def test_options_that_do_not_fit_are_named(dataset, tmp_path, capsys):
    assert _fit(dataset, tmp_path / "run", "--epochs", "0") == 2
    assert "epochs 0 is not valid" in capsys.readouterr().err
    assert main(["fit", str(dataset), "-o", str(tmp_path / "run"), "--resume", *OPTIONS]) == 2
    assert "nothing to resume" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert _fit(dataset, tmp_path / "full", "--epochs", "1") == 2
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


PUBLISHED = ["--normalization-layers", "none", "--activation", "relu", "--upsampling", "zero_insertion"]


@pytest.mark.parametrize(
    "more",
    [
        ["--family", "supernet", "--objective", "gaussian_nll", "--kl-schedule", "linear", *PUBLISHED],
        ["--family", "variance_head"],
        ["--family", "bayes_by_backprop", "--architecture", "fcn", "--set", 'family_options={"passes": 2}'],
        ["--family", "mc_dropout", "--dropout", "0.5", "--set", 'family_options={"passes": 2, "seed": 1}'],
        ["--family", "vdp", "--dimensions", "2", "--patch", "16", "16", "1", "--objective", "expected"],
        ["--family", "deterministic", "--architecture", "vnet", "--class-weights", "0.1", "1", "1"],
    ],
)
def test_every_family_trains_and_its_bundle_predicts_as_its_run(dataset, tmp_path, more):
    run, bundle, details = tmp_path / "run", tmp_path / "bundle", tmp_path / "details.json"
    assert _fit(dataset, run, *more, "--epochs", "1") == 0
    words = ["calibrate", str(run), "--device", "cpu", "--conditions", "clean", "--scale-conditions", "clean"]
    assert main(words) == 0
    details.write_text(json.dumps(_details()))
    assert main(["export", str(run), "-o", str(bundle), "--details", str(details)]) == 0
    command = ["evaluate", str(run), str(bundle), "--data", str(dataset), "-o", str(tmp_path / "out")]
    assert main([*command, "--device", "cpu"]) == 0
    tables = [(tmp_path / "out" / name / "evaluation.csv").read_text() for name in ("run", "bundle")]
    assert tables[0].replace("run,", "bundle,") == tables[1]


def test_resume_needs_the_folder_alone(dataset, tmp_path, capsys):
    run = tmp_path / "run"
    assert _fit(dataset, run, "--epochs", "1") == 0
    (run / "last.ckpt").unlink()
    assert main(["fit", "-o", str(run), "--resume", "--accelerator", "cpu"]) == 0
    assert (run / "last.ckpt").is_file()
    assert main(["fit", "-o", str(run), "--resume", "--epochs", "3"]) == 2
    assert "was started with another epochs, 1; resume with the same" in capsys.readouterr().err
    assert main(["fit", "-o", str(tmp_path / "none"), "--resume"]) == 2
    assert "nothing to resume" in capsys.readouterr().err


def test_output_has_no_advertisement_and_no_number_of_a_log(finished):
    _, output = finished
    assert "train/loss" in output
    for word in ("v_num", "Tip", "litlogger", "\N{ELECTRIC LIGHT BULB}"):
        assert word not in output
