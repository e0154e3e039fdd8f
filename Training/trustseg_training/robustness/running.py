"""Carry out a robustness test: over processes of this machine, and over ranks of several."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch
from tqdm import tqdm

from trustseg_training.dataset import Case, Inspector, known_values
from trustseg_training.evaluation import EvaluatedModel, LoadedModel, inference_settings
from trustseg_training.evaluation.processes import in_processes
from TrustSegLib.errors import ImageError

from . import parts
from .conditions import verify_case
from .suite import Suite

_REMEDY = "what was measured is kept: give the same command again with fewer --jobs"


@dataclass(frozen=True)
class Task:
    """One part to be measured."""

    subject: EvaluatedModel
    case: Case
    suite: Suite
    seed: int
    device: str
    output: Path
    sources: Mapping[str, EvaluatedModel] = field(default_factory=dict)

    @property
    def part(self) -> parts.Part:
        """Where it goes."""
        case, subject = self.case, self.subject.of_patient(self.case.patient)
        return parts.part_of(subject, case, self.suite, self.seed, self.sources)


def carry_out(tasks: Sequence[Task], jobs: int = 1) -> int:
    """Measure what is not measured yet.

    Started by ``torchrun`` on several machines with one folder, every rank takes its share.

    Parameters
    ----------
    tasks : sequence of Task
        Of all models and cases; those of one model one after the other.
    jobs : int
        Processes of this rank.

    Returns
    -------
    int
        How many parts are still another rank's.

    Raises
    ------
    TrustSegError
        A model or an image cannot be used, the folder cannot be written, or the system has ended a process;
        what was measured is kept.
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


def _in_processes(tasks: Sequence[Task], jobs: int, bar: tqdm) -> None:
    threads = max((os.cpu_count() or 1) // jobs, 1)
    for _ in in_processes(measure, tasks, jobs, _REMEDY, torch.set_num_threads, (threads,)):
        bar.update()


def measure(task: Task) -> None:
    """Measure one part and write it."""
    part = task.part  # before the files are read: should they change meanwhile, it is measured again
    subject = task.subject.of_patient(task.case.patient)
    subject = replace(subject, model=_loaded(_Key(subject)))
    sources = {name: replace(each, model=_source(_Key(each))) for name, each in task.sources.items()}
    checks = Inspector(subject.model.description.channels, _known(subject))
    volumes = checks.read(task.case)
    if volumes is None:
        raise ImageError("; ".join(checks.problems))
    name = task.case.name
    records = verify_case(subject, *volumes, name, task.suite, task.seed, task.device, sources)
    parts.write(part, records, task.output)


def _known(subject: EvaluatedModel) -> set[int] | None:
    return known_values(subject.label_map, len(subject.structures) + 1)


class _Key:
    """A subject as a key, by its model's hash and how it is passed through."""

    def __init__(self, subject: EvaluatedModel) -> None:
        self.subject = subject

    def __hash__(self) -> int:
        return hash(self.subject.model.sha256)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.identity == self.identity

    @property
    def identity(self) -> tuple[str, dict]:
        return self.subject.model.sha256, inference_settings(self.subject)


@lru_cache(maxsize=8)
def _source(key: _Key) -> LoadedModel:
    """The networks that attacks are transferred from, beside that of the subject."""
    return LoadedModel(key.subject.model)


@lru_cache(maxsize=2)
def _loaded(key: _Key) -> LoadedModel:
    """The network of the last subject stays in memory: tasks of one model follow each other.

    Two, for one whose calibration is cross-fitted has a network for each half of the patients.
    """
    return LoadedModel(key.subject.model)
