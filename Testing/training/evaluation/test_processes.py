"""Work in processes, one of which is really killed: nothing waits for it forever."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from trustseg_training.calibration import results
from trustseg_training.dataset import Case
from trustseg_training.evaluation import EvaluatedModel, cost
from trustseg_training.evaluation.processes import in_processes
from trustseg_training.robustness import parts
from trustseg_training.robustness.running import Task, run_tasks
from trustseg_training.robustness.suite import Protocol, load_suite
from TrustSegLib.errors import BundleError, TrustSegError
from TrustSegLib.imaging import Volume

#: Seconds; a process takes some to import its libraries.
LIMIT = 180.0


@pytest.fixture(autouse=True)
def in_time():
    """An error instead of a test that hangs."""

    def over(number: int, frame: object) -> None:
        raise TimeoutError("it waits for a process that is no more")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def warm(warm_processes_for_jobs) -> None:
    """All but one of the tests."""


def killed() -> None:
    """As by the system when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def noted(folder: Path, word: str) -> str:
    """A kind of work for every word; each leaves a file."""
    (folder / word).touch()
    if word == "kill":
        killed()
    if word == "fail":
        raise BundleError("this very model is damaged")
    if word == "slow":
        time.sleep(1)
    return word.upper()


def test_results_come_with_their_indices_as_they_are_ready(tmp_path):
    found = list(
        in_processes(partial(noted, tmp_path), ["slow", "b", "c"], 2, "", torch.set_num_threads, (1,))
    )
    assert sorted(found) == [(0, "SLOW"), (1, "B"), (2, "C")]
    assert list(in_processes(partial(noted, tmp_path), [], 2, "")) == []


def test_killed_process_is_an_error_and_stops_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr("trustseg_training.evaluation.processes.START", "spawn")  # as for a user
    words = ["a", "kill", *(f"later {number}" for number in range(20))]
    found = []
    with pytest.raises(TrustSegError, match="ended by the system, which may have too little memory; wait"):
        found += in_processes(partial(noted, tmp_path), words, 1, "wait")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "kill"]


def test_error_of_a_process_reaches_the_caller_and_stops_the_rest(tmp_path):
    words = ["fail", *(f"later {number}" for number in range(20))]
    with pytest.raises(BundleError, match="this very model is damaged"):
        list(in_processes(partial(noted, tmp_path), words, 2, ""))
    assert len(list(tmp_path.iterdir())) <= 3


@dataclass(frozen=True)
class Deadly:
    """A model whose network is too large."""

    name: str = "large"
    sha256: str = "0"
    description: str = ""
    label_map: dict = field(default_factory=dict)
    structures: tuple[str, ...] = ("a",)

    def network(self) -> None:
        killed()

    def of_patient(self, patient: str) -> None:
        killed()


class Damaged(Deadly):
    """A model whose files are damaged."""

    def network(self) -> None:
        raise BundleError("this very model is damaged")


class DeadlyTask(Task):
    """A task whose part needs no model in the parent process."""

    @property
    def part(self) -> parts.Part:
        return parts.Part("m", "0", self.case.name, "p", "k")


def cases(number: int) -> list[Case]:
    return [Case(f"c{index}", (Path("i.nii.gz"),), Path("l.nii.gz"), "p") for index in range(number)]


def test_verification_reports_a_killed_process_and_keeps_its_parts(tmp_path):
    tasks = [DeadlyTask(Deadly(), case, Protocol(load_suite("quick"), 0), tmp_path) for case in cases(3)]
    parts.write(tasks[0].part, [], tmp_path)
    with pytest.raises(TrustSegError, match=r"what was measured is kept: .* with fewer --jobs"):
        run_tasks(tasks, jobs=2)
    assert parts.is_done(tasks[0].part, tmp_path)


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [(Deadly(), TrustSegError, "with fewer --jobs"), (Damaged(), BundleError, "this very model is damaged")],
)
def test_calibration_reports_the_error_of_a_process(monkeypatch, tmp_path, model, error, said):
    monkeypatch.setattr(results, "choose_cases", lambda *_: cases(3))
    with pytest.raises(error, match=said):
        results.collect_results(EvaluatedModel("large", model, ("a",)), tmp_path, (), jobs=2)


def test_error_names_a_model_that_is_too_large_to_measure(monkeypatch):
    monkeypatch.setattr(cost, "_times", lambda *_: {"large": 1.0})
    volume = Volume(np.zeros((1, 2, 2, 2), np.float32), (1, 1, 1), (0, 0, 0), tuple(np.eye(3).flat))
    with pytest.raises(TrustSegError, match="too little memory; make room for large"):
        cost.costs([EvaluatedModel("large", Deadly(), ("a",))], [volume])
