"""A study from its file to its table, with real trainings in processes of their own."""

from __future__ import annotations

import csv
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from warm_processes import TrainingCommand

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.evaluation import Cost
from trustseg_training.studies.training import train
from TrustSegLib.errors import OptionError

STUDY = """\
title: Two seeds and what they make
shared:
  structures: [Left half, Right half]
  filters: [2, 4]
  patch: [18, 18, 18]
  epochs: 1
networks:
  a: {family: deterministic, seed: 1}
  b: {family: deterministic, seed: 2}
  c: {family: vdp, initialize_from: a}
ensembles:
  a and b: [a, b]
variants:
  c by taylor: {network: c, propagation: taylor}
compared: [a, a and b, c, c by taylor]
"""

SMALL = """\
title: One and what starts from it
shared: {structures: [Left half, Right half], filters: [2, 4], patch: [18, 18, 18], epochs: 1}
networks:
  a: {family: deterministic}
  c: {family: vdp, initialize_from: a}
compared: [a, c]
"""


@pytest.fixture(autouse=True)
def one_thread_and_this_package(monkeypatch):
    """The trainings import what the tests import."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here = [str(Path(__file__).parents[3]), str(Path(__file__).parents[3] / "Training")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(here))


@pytest.fixture
def started(warm_processes_for_jobs, monkeypatch) -> list[TrainingCommand]:
    """The trainings, in processes that start at once."""
    found = []

    def start(*arguments, **options):
        found.append(TrainingCommand(*arguments, **options))
        return found[-1]

    monkeypatch.setattr("trustseg_training.studies.training.Popen", start)
    return found


@pytest.mark.usefixtures("started")
def test_study_writes_its_table_and_continues_where_it_stopped(dataset, tmp_path, capsys, monkeypatch):
    study, output = tmp_path / "seeds.yaml", tmp_path / "out é"
    study.write_text(STUDY, encoding="utf-8")
    command = ["study", str(study), "--data", str(dataset), "-o", str(output), "--jobs", "2"]
    assert main([*command, "--accelerator", "cpu", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.strip().endswith("study.md")

    table = (output / "study.md").read_text(encoding="utf-8").splitlines()
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in table if line.startswith("| ")}
    assert list(rows) == ["network", "---", "a", "a and b", "c", "c by taylor"]
    parameters = {name: int(rows[name][5].replace(",", "")) for name in ("a", "a and b", "c")}
    assert parameters["a and b"] == 2 * parameters["a"] < 2 * parameters["c"]
    assert json.loads((output / "costs.json").read_text())["c"]["seconds"] > 0

    evaluated = json.loads((output / "evaluations" / "c" / "evaluation.json").read_text())
    with (output / "comparison.csv").open(newline="") as stream:
        compared = [row for row in csv.DictReader(stream) if row["measure"] == "dice"]
    left = next(row for row in compared if (row["model"], row["structure"]) == ("c", "Left half"))
    assert float(left["mean"]) == pytest.approx(evaluated["summary"]["Left half"]["dice"]["mean"])

    before = {path: path.stat().st_mtime_ns for path in output.glob("*/*/*.ckpt")}
    (output / "study.md").unlink()
    known = {name: Cost(**cost) for name, cost in json.loads((output / "costs.json").read_text()).items()}
    conduct = importlib.import_module("trustseg_training.studies.study")  # the room shows the function
    monkeypatch.setattr(conduct, "costs", lambda models, volumes: known)  # measured a moment ago
    assert main([*command, "--accelerator", "cpu", "--device", "cpu"]) == 0
    assert (output / "study.md").is_file()
    assert {path: path.stat().st_mtime_ns for path in output.glob("*/*/*.ckpt")} == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the processes in /proc")
def test_study_that_is_terminated_leaves_no_training_behind(dataset, tmp_path):
    study, run = tmp_path / "long.yaml", tmp_path / "out" / "runs" / "a"
    study.write_text(SMALL.replace("epochs: 1", "epochs: 5000"), encoding="utf-8")
    command = [sys.executable, "-m", "trustseg_training", "study", str(study), "--data", str(dataset)]
    command += ["-o", str(tmp_path / "out"), "--accelerator", "cpu"]
    with (tmp_path / "study.log").open("w") as log:
        process = TrainingCommand(command, stdout=log)
    while not (run / "last.ckpt").is_file() and process.poll() is None:
        time.sleep(0.02)
    process.terminate()
    assert process.wait() == 130
    assert (tmp_path / "study.log").read_text().strip().endswith("stopped; repeat the command to continue")
    assert not [path for path in Path("/proc").glob("[0-9]*") if str(run) in _command_line(path)]


def _command_line(process: Path) -> str:
    """Empty for a process that has ended in the meantime."""
    try:
        return (process / "cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.usefixtures("started")
def test_study_with_relative_paths_evaluates_once_and_keeps_patients_apart(
    dataset, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "st.yaml").write_text(SMALL, encoding="utf-8")
    rows = [f"case_{index},{split}" for index, split in enumerate(4 * ["train"] + ["val", "test"])]
    (dataset / "splits.csv").write_text("\n".join(["case,split", *rows]) + "\n")
    conduct = importlib.import_module("trustseg_training.studies.study")  # the room shows the function
    monkeypatch.setattr(conduct, "costs", lambda models, volumes: dict.fromkeys(["a", "c"], Cost(1, 1, 1)))
    command = ["study", "st.yaml", "--data", dataset.name, "-o", "sto", "--jobs", "1"]
    command += ["--accelerator", "cpu", "--device", "cpu"]
    assert main(command) == 0, capsys.readouterr().err
    assert FitConfiguration.load(Path("sto/runs/c")).initialize_from == str(tmp_path / "sto" / "runs" / "a")

    monkeypatch.setattr(conduct, "train", lambda *arguments: None)  # it is, a moment ago
    folder = tmp_path / "sto" / "evaluations" / "a"
    finished = (folder / "evaluation.json").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main([*command, "--split", "test"]) == 2
    assert "a: holds an evaluation of another split, val; choose another" in capsys.readouterr().err
    assert main([*command, "--split", "test", "-o", "other", "--runs", "sto/runs"]) == 0
    assert "case_5" in Path("other/evaluations/a/evaluation.csv").read_text(encoding="utf-8")
    for left in (finished[: len(finished) // 2], None):  # cut off, or killed before the summary was written
        (folder / "evaluation.json").unlink()
        if left is not None:
            (folder / "evaluation.json").write_text(left, encoding="utf-8")
        assert main(command) == 0
        assert (folder / "evaluation.json").read_text(encoding="utf-8") == finished
    other = json.dumps({**json.loads(finished), "data": "elsewhere"})
    (folder / "evaluation.json").write_text(other, encoding="utf-8")
    capsys.readouterr()
    assert main(command) == 2
    assert "holds an evaluation of another data, elsewhere" in capsys.readouterr().err


@pytest.mark.usefixtures("started")
def test_training_that_fails_is_named_with_its_reason(dataset, tmp_path):
    (dataset / "labelsTr" / "case_0.nii.gz").unlink()
    configuration = FitConfiguration(
        data=str(dataset), structures=("Left half", "Right half"), filters=(2, 4), patch=(8, 8, 8)
    )
    with pytest.raises(OptionError, match=r"lonely: the training ended with code 2: .*case_0"):
        train({"lonely": configuration}, tmp_path / "runs", jobs=1, accelerator="cpu")


def test_every_process_ends_when_one_training_fails(dataset, tmp_path, started):
    good = FitConfiguration(
        data=str(dataset),
        structures=("Left half", "Right half"),
        filters=(2, 4),
        patch=(8, 8, 8),
        epochs=10_000,
    )
    bad = FitConfiguration(data=str(tmp_path / "nowhere"), structures=("a",), filters=(2, 4), patch=(8, 8, 8))
    with pytest.raises(OptionError, match="bad: the training ended"):
        train({"good": good, "bad": bad}, tmp_path / "runs", jobs=2, accelerator="cpu")
    stopped, failed = (process.returncode for process in started)
    assert stopped in (-signal.SIGTERM, 130), "before or after its first step, when it is saved"
    assert failed == 2


def test_jobs_must_be_positive(dataset, tmp_path, capsys):
    study = tmp_path / "seeds.yaml"
    study.write_text(STUDY, encoding="utf-8")
    assert main(["study", str(study), "--data", str(dataset), "-o", str(tmp_path / "o"), "--jobs", "0"]) == 2
    assert "jobs 0" in capsys.readouterr().err
