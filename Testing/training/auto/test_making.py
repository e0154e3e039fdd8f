"""From data to model with real trainings: once, after kills, and again."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from warm_processes import TrainingCommand

from trustseg_training.auto import Request, planning
from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.training import Times
from TrustSegLib.cli import main as trustseg

BUDGET = 0.2

#: What a person changes in the settings that were planned: networks and epochs as small as can be.
SMALL = {"filters": "[2, 4]", "patches_per_patient": "4", "batch_size": "2", "validation_every": "1"}


def _edit(work: Path, **epochs: int) -> None:
    for name, count in epochs.items():
        changed = {**SMALL, "epochs": str(count)}
        path = work / f"{name}.yaml"
        lines = path.read_text(encoding="utf-8").splitlines()
        lines = [
            f"{key}: {changed[key]}" if (key := line.split(":")[0]) in changed else line for line in lines
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def planned(dataset, tmp_path, monkeypatch) -> Request:
    """A plan that a person has made small before any training began."""
    request = Request(dataset, tmp_path / "my model", BUDGET)
    request.work.mkdir()
    with monkeypatch.context() as given:
        given.setattr(planning, "measure", lambda *arguments: Times(0.05, 0.05))
        planning.make_plan(request, "cpu")
    _edit(request.work, twin=6, vdp=6)
    return request


def _command(request: Request) -> list[str]:
    return ["auto", str(request.data), "-o", str(request.output), "--budget", str(request.minutes)]


def _weights(request: Request) -> dict[str, torch.Tensor]:
    return torch.load(request.work / "vdp" / "last.ckpt", weights_only=True)["state_dict"]


def test_data_become_a_model_that_segments_and_the_command_is_finished(
    dataset, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("trustseg_training.config.planning._FIRST_FILTERS", 2)  # small networks
    request = Request(dataset, tmp_path / "my model", BUDGET)
    assert main(_command(request)) == 0
    said = capsys.readouterr()
    assert "plan for" in said.out
    assert "trustseg-train fit --config" in said.out
    assert "Dice, mean of 2 validation patients: Structure 1 ." in said.out
    assert "Not calibrated: no part of the uncertainty was checked on patients left out." in said.out
    assert "  error probability (2 validation patients, at least 5 are needed)" in said.out
    assert f"trustseg segment scan.nii.gz -o results --model {request.output}" in said.out
    assert "left in all" in said.err.splitlines()[0]

    image = dataset / "imagesTr" / "case_5.nii.gz"
    assert trustseg(["segment", str(image), "-o", str(tmp_path / "out"), "--model", str(request.output)]) == 0
    (mask,) = (tmp_path / "out").rglob("mask.nii.gz")
    assert set(np.unique(nibabel.load(mask).dataobj)) <= {0, 1, 2}

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    assert main(_command(request)) == 0
    again = capsys.readouterr()
    assert again.out.startswith(f"{request.output}: finished already; there is nothing to do\n")
    assert "Structure 1 ." in again.out
    assert again.err == ""
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_command_that_is_killed_in_each_step_ends_with_the_weights_of_an_unbroken_one(planned, capsys):
    unbroken = Request(planned.data, planned.output.with_name("unbroken"), BUDGET)
    shutil.copytree(planned.work, unbroken.work)
    for reached in ("twin/last.ckpt", "vdp/last.ckpt", "vdp/calibration-last.json"):
        _killed(planned, planned.work / reached)
        assert not planned.output.exists()
    assert not (planned.work / "evaluation").exists()
    (planned.work / "evaluation").mkdir()
    (planned.work / "evaluation" / "evaluation.csv").touch()  # an evaluation that was killed leaves this
    assert main(_command(planned)) == 0
    assert "done already: training the deterministic twin" in capsys.readouterr().out
    assert main(_command(unbroken)) == 0
    found, expected = _weights(planned), _weights(unbroken)
    assert FitConfiguration.load(planned.work / "vdp").filters == (2, 4)
    starts = {name: len(list((planned.work / name / "csv").iterdir())) for name in ("twin", "vdp")}
    assert starts == {"twin": 2, "vdp": 2}, "a training began anew instead of going on"
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def _killed(request: Request, reached: Path) -> None:
    """Run the command in a process of its own, and kill it as soon as a file is there."""
    command = [sys.executable, "-m", "trustseg_training", *_command(request)]
    log = request.output.with_name("killed.log")
    with log.open("w") as stream:
        process = TrainingCommand(command, stdout=stream, env={**os.environ, "OMP_NUM_THREADS": "1"})
    while process.poll() is None and not reached.exists():
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL, log.read_text()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--budget", "quick"], "was begun with another budget, 0.2 minutes; repeat it so, choose another"),
        (["--name", "other"], "was begun with another name, none; repeat it so"),
        (["--modality", "ct"], "was begun with another modality, none; repeat it so"),
    ],
)
def test_another_request_for_the_same_model_is_refused(planned, capsys, changed, message):
    assert main([*_command(planned), *changed]) == 2
    error = capsys.readouterr().err
    assert f"{planned.output}: {message}" in error
    assert len(error.splitlines()) == 1


def test_other_data_or_changed_data_for_the_same_model_are_refused(planned, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(planned.data, other)
    assert main([*_command(planned)[:1], str(other), *_command(planned)[2:]]) == 2
    assert f"was begun with another data, {planned.data}; repeat it so" in capsys.readouterr().err
    shutil.copy(planned.data / "imagesTr" / "case_0.nii.gz", planned.data / "imagesTr" / "case_1.nii.gz")
    assert main(_command(planned)) == 2
    assert "its files have changed since" in capsys.readouterr().err


def test_folder_that_is_something_else_is_never_written_into(dataset, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    assert main(["auto", str(dataset), "-o", str(tmp_path / "mine")]) == 2
    assert "mine: exists already; remove it or choose another name" in capsys.readouterr().err
    assert list((tmp_path / "mine").iterdir()) == []
    assert not (tmp_path / "mine-work").exists()


def test_every_bad_file_is_named_and_nothing_is_planned(dataset, tmp_path, capsys):
    (dataset / "labelsTr" / "case_0.nii.gz").unlink()
    (dataset / "imagesTr" / "case_3.nii.gz").write_bytes(b"no image")
    assert main(["auto", str(dataset), "-o", str(tmp_path / "model")]) == 2
    error = capsys.readouterr().err
    assert "2 problems" in error
    assert "case_0" in error
    assert "case_3" in error
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "model-work" / "plan.json").exists()


@pytest.mark.parametrize("budget", ["soon", "0", "-3", "nan", "inf"])
def test_budget_is_a_name_or_minutes_above_0(budget, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["auto", "data", "-o", "model", "--budget", budget])
    assert "give quick, standard, long, or minutes above 0" in capsys.readouterr().err


def test_training_that_comes_to_no_number_says_what_to_change(planned, capsys):
    settings = planned.work / "twin.yaml"
    text = settings.read_text(encoding="utf-8")
    start = text.index("\nlearning_rate: ") + 1
    settings.write_text(text[:start] + "learning_rate: 1.0e+30" + text[text.index("\n", start) :])
    assert main(_command(planned)) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"lower learning_rate in {settings}, remove {planned.work / 'twin'}, and repeat" in error
