"""`trustseg-train verify` from models and a data set to tables, a summary and a report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trustseg_training.dataset import Case
from trustseg_training.evaluation import EvaluatedModel, check_same_cases, choose_cases, inference_settings
from TrustSegLib.errors import OptionError
from TrustSegLib.report.files import write_atomically

from .models import ModelSelection, with_temperatures
from .running import Task, carry_out
from .seed_variation import check_groups, check_trained_alike, differences, over_seeds
from .suite import Suite, load_suite
from .summary import summarize
from .tables import Tables, tables_of

SUMMARY = "summary.json"


@dataclass(frozen=True, eq=False)
class Verified:
    """A verification that is done.

    Attributes
    ----------
    subjects : tuple of Subject
        The models, the first one that to which the others are compared.
    cases : tuple of Case
        The images of the first model.
    suite : Suite
        The conditions.
    seed : int
        Of the whole verification.
    tables : Tables
        Everything that was measured.
    summary : dict
        Content of ``summary.json``.
    """

    subjects: tuple[EvaluatedModel, ...]
    cases: tuple[Case, ...]
    suite: Suite
    seed: int
    tables: Tables
    summary: dict[str, Any]


def verify(
    models: ModelSelection | Sequence[Path],
    data: Path,
    suites: Sequence[str],
    output: Path,
    *,
    split: str = "val",
    jobs: int = 1,
    seed: int = 0,
    device: str = "cpu",
    most: int | None = None,
    seeds: Mapping[str, Sequence[str]] | None = None,
) -> Verified | None:
    """Put models under every condition of the suites; called again, it goes on where it stopped.

    Parameters
    ----------
    models : Roster or sequence of Path
        Run folders, bundles or names of bundled models; the others are compared with the first.
    data : Path
        Data set with labels.
    suites : sequence of str
        See `load_suite`; several are joined.
    output : Path
        Folder for the parts, ``structures.csv``, ``cases.csv`` and ``summary.json``.
    split : str
        The patients to verify on.
    jobs : int
        Processes at a time.
    seed : int
        Of all corruptions and attacks.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    most : int, optional
        At most so many cases, the first ones.
    seeds : mapping of str to sequence of str, optional
        Names of models that differ in their seed only, by the name of their group.

    Returns
    -------
    Verified or None
        None while other ranks still have parts to measure.

    Raises
    ------
    TrustSegError
        A model, a suite or the data cannot be used, or the folder cannot be written.
    """
    roster = models if isinstance(models, ModelSelection) else ModelSelection(models)
    subjects = roster.load()
    cases = {subject.name: choose_cases(subject, data, split)[:most] for subject in subjects}
    check_same_cases(cases)  # before anything is fitted
    subjects = with_temperatures(subjects, roster.tempered, cases, seed, device)
    return verify_loaded_models(
        subjects, data, joined(suites), output, split, jobs, seed, device, most, seeds, roster.words
    )


def verify_loaded_models(
    subjects: Sequence[EvaluatedModel],
    data: Path,
    suite: Suite,
    output: Path,
    split: str = "val",
    jobs: int = 1,
    seed: int = 0,
    device: str = "cpu",
    most: int | None = None,
    seeds: Mapping[str, Sequence[str]] | None = None,
    words: Sequence[str] = (),
) -> Verified | None:
    """As `verify`, of what is loaded already; ``words`` are what the command says of it."""
    _check_same(subjects)
    sources = _sources(subjects, suite)
    check_groups(seeds or {}, [subject.name for subject in subjects])
    check_trained_alike(seeds or {}, subjects)
    cases = {subject.name: choose_cases(subject, data, split)[:most] for subject in subjects}
    check_same_cases(cases)
    tasks = [
        Task(each, case, suite, seed, device, output, sources)
        for each in subjects
        for case in cases[each.name]
    ]
    if carry_out(tasks, jobs):
        return None
    tables = tables_of([task.part for task in tasks], output)
    tables.write(output)
    header = {
        "suite": suite.name,
        "title": suite.title,
        "data": data.name,
        "split": split,
        "seed": seed,
        "command": _command(words or [each.name for each in subjects], data, suite, split, seed, most, seeds),
        "models": {subject.name: subject.model.sha256 for subject in subjects},
        "networks": {subject.name: inference_settings(subject) for subject in subjects},
        "cases": len(cases[subjects[0].name]),
    }
    summary = {**header, **summarize(tables, suite)}
    summary["seeds"] = over_seeds(summary, seeds or {})
    summary["seed_differences"] = differences(tables, seeds or {})
    _write_summary(output / SUMMARY, summary)
    return Verified(tuple(subjects), tuple(cases[subjects[0].name]), suite, seed, tables, summary)


def _command(
    models: Sequence[str],
    data: Path,
    suite: Suite,
    split: str,
    seed: int,
    most: int | None,
    seeds: Mapping[str, Sequence[str]] | None,
) -> str:
    """The command that repeats it; places by their last name."""
    words = ["trustseg-train", "verify", *models, "--data", data.name]
    for group, names in (seeds or {}).items():
        words += ["--seeds", group, *names]
    words += ["--suite", *suite.name.split("+"), "--split", split, "--seed", str(seed)]
    words += [] if most is None else ["--cases", str(most)]
    return f"{shlex.join(words)} --output DIR"


def joined(names: Sequence[str]) -> Suite:
    """Several suites as one; what is in two of them is measured once."""
    found = [load_suite(name) for name in names]
    if len(found) == 1:
        return found[0]
    return Suite(
        "+".join(suite.name for suite in found),
        "; ".join(suite.title for suite in found),
        tuple(dict.fromkeys(each for suite in found for each in suite.corruptions)),
        tuple(dict.fromkeys(each for suite in found for each in suite.attacks)),
    )


def _check_same(subjects: Sequence[EvaluatedModel]) -> None:
    """Models are compared structure by structure."""
    names = [subject.name for subject in subjects]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise OptionError(f"two models are named {repeated[0]}; rename one of the folders")
    first = subjects[0]
    for other in subjects[1:]:
        if (other.structures, dict(other.regions)) != (first.structures, dict(first.regions)):
            raise OptionError(
                f"{other.name} has other structures than {first.name} ({', '.join(other.structures)}); "
                "verify it alone"
            )


def _sources(subjects: Sequence[EvaluatedModel], suite: Suite) -> dict[str, EvaluatedModel]:
    """The models that attacks are transferred from, which know images as all the others do."""
    named = {subject.name: subject for subject in subjects}
    for name in suite.sources:
        if name not in named:
            raise OptionError(
                f"suite {suite.name}: attacks come from {name}, which is not verified; add it to the models"
            )
        for subject in subjects:
            if subject.model.description.input != named[name].model.description.input:
                raise OptionError(
                    f"suite {suite.name}: {subject.name} knows images in another way than {name}, so no "
                    "attack can be transferred; verify it without"
                )
    return {name: named[name].of_patient("") for name in suite.sources}


def _write_summary(path: Path, summary: dict[str, Any]) -> None:
    write_atomically(path, f"{json.dumps(summary, indent=1, allow_nan=False)}\n".encode())
