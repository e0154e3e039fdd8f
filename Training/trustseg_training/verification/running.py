"""Carry out a verification: over processes of this machine, and over ranks of several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from tqdm import tqdm

from trustseg_training.dataset import Case, Inspector, known_values
from trustseg_training.judging import LoadedModel, Subject
from TrustSegLib.errors import ImageError

from . import parts
from .conditions import verify_case
from .suite import Suite


@dataclass(frozen=True)
class Task:
    """One part to be measured."""

    subject: Subject
    case: Case
    suite: Suite
    seed: int
    device: str
    output: Path

    @property
    def part(self) -> parts.Part:
        """Where it goes."""
        return parts.part_of(self.subject, self.case.name, self.case.patient, self.suite, self.seed)


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
        A model or an image cannot be used, or the folder cannot be written; what was measured is kept.
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
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, torch.set_num_threads, (threads,)) as pool:
        for _ in pool.imap_unordered(measure, tasks):
            bar.update()


def measure(task: Task) -> None:
    """Measure one part and write it."""
    subject = replace(task.subject, model=_loaded(_Key(task.subject)))
    checks = Inspector(subject.model.description.channels, _known(subject))
    volumes = checks.read(task.case)
    if volumes is None:
        raise ImageError("; ".join(checks.problems))
    records = verify_case(subject, *volumes, task.case.name, task.suite, task.seed, task.device)
    parts.write(task.part, records, task.output)


def _known(subject: Subject) -> set[int] | None:
    return known_values(subject.label_map, len(subject.structures) + 1)


class _Key:
    """A subject as a key, by its model's hash."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def __hash__(self) -> int:
        return hash(self.subject.model.sha256)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.subject.model.sha256 == self.subject.model.sha256


@lru_cache(maxsize=1)
def _loaded(key: _Key) -> LoadedModel:
    """The network of the last subject stays in memory: tasks of one model follow each other."""
    return LoadedModel(key.subject.model)
