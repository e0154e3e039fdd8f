"""Run a robustness test in processes of this machine, and in ranks on several machines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from tqdm import tqdm

from trustseg_training.dataset import Case
from trustseg_training.evaluation import EvaluatedModel, inference_settings, read_case
from trustseg_training.evaluation.processes import in_processes
from TrustSegLib.inference.prediction import LoadedModel

from . import parts
from .conditions import verify_case
from .suite import Protocol

_REMEDY = "what was measured is kept: give the same command again with fewer --jobs"


@dataclass(frozen=True)
class Task:
    """One part to measure: a model on a case, and the folder that its records go to."""

    evaluated: EvaluatedModel
    case: Case
    protocol: Protocol
    output: Path

    @property
    def part(self) -> parts.Part:
        """File and key of the records."""
        return parts.part_of(self.evaluated.of_patient(self.case.patient), self.case, self.protocol)


def run_tasks(tasks: Sequence[Task], jobs: int = 1) -> int:
    """Measure what has not been measured yet.

    Started by ``torchrun`` on several machines with a shared folder, every rank takes its share.

    Parameters
    ----------
    tasks : sequence of Task
        Of all models and cases, grouped by model.
    jobs : int
        Number of processes of this rank.

    Returns
    -------
    int
        Number of parts that other ranks have not measured yet.

    Raises
    ------
    TrustSegError
        A model or an image cannot be used, the folder cannot be written, or the system killed a process; what
        was measured is kept.
    """
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    waiting = [task for task in tasks[rank::ranks] if not parts.is_done(task.part, task.output)]
    own = len(tasks[rank::ranks])
    with tqdm(total=own, initial=own - len(waiting), desc="verifying", unit="image", disable=None) as bar:
        if jobs == 1:
            for task in waiting:
                measure(task)
                bar.update()
        else:
            _in_processes(waiting, jobs, bar)
    return sum(not parts.is_done(task.part, task.output) for task in tasks)


def measure(task: Task) -> None:
    """Measure one part and write its records."""
    part = task.part  # before the files are read: if they change meanwhile, the part is measured again
    evaluated = task.evaluated.of_patient(task.case.patient)
    evaluated = replace(evaluated, model=_loaded(_Key(evaluated)))
    sources = {name: replace(each, model=_source(_Key(each))) for name, each in task.protocol.sources.items()}
    volumes = read_case(evaluated, task.case)
    protocol = replace(task.protocol, sources=sources)
    parts.write(part, verify_case(evaluated, *volumes, task.case.name, protocol), task.output)


def _in_processes(tasks: Sequence[Task], jobs: int, bar: tqdm) -> None:
    threads = max((os.cpu_count() or 1) // jobs, 1)
    for _ in in_processes(measure, tasks, jobs, _REMEDY, torch.set_num_threads, (threads,)):
        bar.update()


class _Key:
    """A model as a key of a cache: its hash and how its weights are used."""

    def __init__(self, evaluated: EvaluatedModel) -> None:
        self.evaluated = evaluated

    def __hash__(self) -> int:
        return hash(self.evaluated.model.sha256)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.identity == self.identity

    @property
    def identity(self) -> tuple[str, dict]:
        return self.evaluated.model.sha256, inference_settings(self.evaluated)


@lru_cache(maxsize=8)
def _source(key: _Key) -> LoadedModel:
    """The networks that attacks are transferred from, beside the evaluated one."""
    return LoadedModel(key.evaluated.model)


@lru_cache(maxsize=2)
def _loaded(key: _Key) -> LoadedModel:
    """The last network stays in memory, as tasks are grouped by model.

    Two of them, for a model with a cross-fitted temperature has a network for each half of the patients.
    """
    return LoadedModel(key.evaluated.model)
