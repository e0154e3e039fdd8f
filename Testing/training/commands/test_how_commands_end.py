"""Messages of a command that stops: how to continue it, and what is kept."""

from __future__ import annotations

import errno
import os

import pytest

from trustseg_training import cli
from trustseg_training.evaluation import evaluation
from trustseg_training.training import lightning_module

STARTS_OVER = "stopped; the command starts over; choose a new output"
CONTINUES = "stopped; repeat the command to continue\n"
COMMANDS = {
    "auto": (["d", "-o", "o"], CONTINUES),
    "fit": (["-o", "o"], "stopped; repeat the command with --resume to continue, without it if"),
    "study": (["st.yaml", "--data", "d", "-o", "o"], CONTINUES),
    "verify": (["run", "--data", "d", "-o", "o"], CONTINUES),
    "moments": (["run", "--data", "d", "-o", "o"], CONTINUES),
    "evaluate": (["run", "--data", "d", "-o", "o"], STARTS_OVER),
    "calibrate": (["run"], STARTS_OVER),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_interrupt_says_how_each_command_is_continued(name, monkeypatch, capsys):
    def stopped(options):
        raise KeyboardInterrupt

    words, message = COMMANDS[name]
    monkeypatch.setattr(cli.COMMANDS[name], "run", stopped)
    assert cli.main([name, *words]) == 130
    assert message in capsys.readouterr().err


def _refused(*arguments):
    raise PermissionError(errno.EACCES, "Permission denied", "there.npy")


def _without_words(*arguments):
    raise TimeoutError("nobody\nanswers")


@pytest.mark.parametrize(
    ("failing", "message"),
    [(_refused, "(Permission denied at there.npy)"), (_without_words, "(nobody answers)")],
)
def test_system_error_in_a_run_is_reported_in_one_line(
    dataset, tmp_path, monkeypatch, capsys, failing, message
):
    monkeypatch.setattr(lightning_module.Segmentation, "training_step", failing)
    network = ["--structures", "Left half", "Right half", "--filters", "2", "4", "--patch", "16", "16", "16"]
    run = tmp_path / "run"
    assert cli.main(["fit", str(dataset), "-o", str(run), *network, "--accelerator", "cpu"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(
        f"trustseg-train: error: {run}: the training was stopped {message}; fix that, then"
    )


def test_evaluation_that_is_killed_leaves_no_summary(tmp_path, monkeypatch):
    replaced = []

    def killed(source, target):
        replaced.append(target.name)
        if target.name == "evaluation.json":
            raise KeyboardInterrupt
        return original(source, target)

    original = os.replace
    monkeypatch.setattr(os, "replace", killed)
    row = {"model": "a", "case": "b", "patient": "c", "structure": "d"}
    with pytest.raises(KeyboardInterrupt):
        evaluation._write(tmp_path, [row], {"model": "a"})
    assert replaced == ["evaluation.csv", "evaluation.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.csv"]
    assert (tmp_path / "evaluation.csv").read_bytes().splitlines(keepends=True)[1].startswith(b"a,b,c,d,")
