"""Pass validation patients through a model, over processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch
from tqdm import tqdm

from trustseg_training.corruptions import Corruption
from trustseg_training.dataset import Case, DatasetError, Inspector, known_values
from trustseg_training.judging import LoadedModel, Subject, choose_cases
from trustseg_training.judging.processes import in_processes
from TrustSegLib.inference.uncalibrated import Uncalibrated

from .answers import ImageAnswer, answers

_REMEDY = "calibrate again with fewer --jobs"


@dataclass(frozen=True)
class Answered:
    """What came of one case: its answers, or what is wrong with its files."""

    answers: tuple[ImageAnswer, ...]
    problems: tuple[str, ...] = ()


def collect_answers(
    subject: Subject,
    data: Path,
    corruptions: Sequence[Corruption],
    cases: int | None = None,
    jobs: int = 1,
    device: str = "auto",
) -> list[ImageAnswer]:
    """Segment every validation image of a data set, as it is and corrupted.

    Parameters
    ----------
    subject : Subject
        Run or bundle.
    data : Path
        Data set; see `judging.choose_cases` for which patients are for validation.
    corruptions : sequence of Corruption
        Beside the clean images.
    cases : int, optional
        At most so many images.
    jobs : int
        Processes.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    DatasetError
        Images or labels cannot be used: every one.
    TrustSegError
        The model or the data cannot be used, or the system has ended a process.
    """
    chosen = choose_cases(subject, data, "val")[:cases]
    work = partial(_answer_case, corruptions=tuple(corruptions), device=device)
    answered: dict[int, Answered] = {}
    with tqdm(total=len(chosen), desc=f"calibrating {subject.name}", unit="image", disable=None) as bar:
        for place, each in _carried_out(subject, work, chosen, jobs):
            answered[place] = each
            bar.update()
    found = [each for _, each in sorted(answered.items())]
    problems = [problem for each in found for problem in each.problems]
    if problems:
        raise DatasetError(data, problems)
    return [answer for each in found for answer in each.answers]


def _carried_out(
    subject: Subject, work: partial, cases: Sequence[Case], jobs: int
) -> Iterator[tuple[int, Answered]]:
    """What came of each case, with its place: processes are not done in order."""
    if jobs == 1:
        yield from enumerate(map(partial(work, _ready(subject)), cases))
        return
    threads = max((os.cpu_count() or 1) // jobs, 1)
    yield from in_processes(partial(_in_process, work), cases, jobs, _REMEDY, _start, (subject, threads))


def _ready(subject: Subject) -> Subject:
    """With its network in memory, and without a calibration."""
    return replace(subject, model=Uncalibrated(LoadedModel(subject.model)))


#: Of a process of its own; the parent process has none.
_OWN: list[Subject] = []


def _start(subject: Subject, threads: int) -> None:
    torch.set_num_threads(threads)
    _OWN.append(subject)


@cache
def _own() -> Subject:
    """The network is made once for each process, by its first case: at the start an error would be lost."""
    return _ready(_OWN[0])


def _in_process(work: partial, case: Case) -> Answered:
    return work(_own(), case)


def _answer_case(subject: Subject, case: Case, corruptions: tuple[Corruption, ...], device: str) -> Answered:
    known = known_values(subject.label_map, len(subject.structures) + 1)
    checks = Inspector(subject.model.description.channels, known)
    volumes = checks.read(case)
    if volumes is None:
        return Answered((), tuple(checks.problems))
    names = (case.patient, case.name)
    return Answered(tuple(answers(subject, *volumes, names, corruptions, device)))
