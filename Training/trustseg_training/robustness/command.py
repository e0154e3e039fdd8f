"""`trustseg-train verify`: from models and a data set to tables, a summary and a report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trustseg_training.dataset import Case
from trustseg_training.evaluation import (
    EvaluatedModel,
    check_distinct_names,
    check_same_cases,
    choose_cases,
    inference_settings,
    seen_by,
)
from TrustSegLib.errors import OptionError

from .models import ModelSelection, with_temperatures
from .running import Task, run_tasks
from .seed_variation import check_groups, check_trained_alike, differences, over_seeds
from .suite import Protocol, Suite
from .summary import SUMMARY_FILE, summarize, write_summary
from .tables import Tables, tables_of


@dataclass(frozen=True)
class VerificationPlan:
    """What models are verified on.

    Attributes
    ----------
    data : Path
        Data set with labels.
    suite : Suite
        The conditions.
    split : str
        Set of the patients.
    seed : int
        Of all corruptions and attacks.
    case_limit : int or None
        Largest number of cases; the first ones.
    seeds : mapping of str to sequence of str
        Names of models that differ only in their seed, by the name of their group.
    """

    data: Path
    suite: Suite
    split: str = "val"
    seed: int = 0
    case_limit: int | None = None
    seeds: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def cases_of(self, evaluated: EvaluatedModel) -> list[Case]:
        """The cases that a model is verified on."""
        return choose_cases(evaluated, self.data, self.split)[: self.case_limit]

    def command(self, models: Sequence[str]) -> str:
        """The command that repeats the verification; paths by their last component."""
        words = ["trustseg-train", "verify", *models, "--data", self.data.name]
        for group, names in self.seeds.items():
            words += ["--seeds", group, *names]
        words += ["--suite", *self.suite.name.split("+"), "--split", self.split, "--seed", str(self.seed)]
        words += [] if self.case_limit is None else ["--cases", str(self.case_limit)]
        return f"{shlex.join(words)} --output DIR"


@dataclass(frozen=True, eq=False)
class Verified:
    """A finished verification.

    Attributes
    ----------
    models : tuple of EvaluatedModel
        The others are compared with the first.
    cases : tuple of Case
        The images of the first model.
    suite : Suite
        The conditions.
    seed : int
        Of all corruptions and attacks.
    tables : Tables
        Everything that was measured.
    summary : dict
        Content of ``summary.json``.
    """

    models: tuple[EvaluatedModel, ...]
    cases: tuple[Case, ...]
    suite: Suite
    seed: int
    tables: Tables
    summary: dict[str, Any]


def verify(
    selection: ModelSelection, plan: VerificationPlan, output: Path, jobs: int = 1, device: str = "cpu"
) -> Verified | None:
    """Test models under every condition of a suite; called again, it resumes where it stopped.

    Parameters
    ----------
    selection : ModelSelection
        The models; the others are compared with the first.
    plan : VerificationPlan
        Data and conditions.
    output : Path
        Folder for the parts, the tables and ``summary.json``.
    jobs : int
        Number of processes.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    Verified or None
        None while other ranks still measure parts.

    Raises
    ------
    TrustSegError
        A model or the data cannot be used, or the folder cannot be written.
    """
    models = selection.load()
    cases = {evaluated.name: plan.cases_of(evaluated) for evaluated in models}
    check_same_cases(cases)  # before anything is fitted
    models = with_temperatures(models, selection.temperature_scaled, cases, plan.seed, device)
    return verify_loaded_models(models, plan, output, jobs, device, selection.words)


def verify_loaded_models(
    models: Sequence[EvaluatedModel],
    plan: VerificationPlan,
    output: Path,
    jobs: int = 1,
    device: str = "cpu",
    words: Sequence[str] = (),
) -> Verified | None:
    """As `verify`, for loaded models; ``words`` are the arguments of the command that select them."""
    names = [evaluated.name for evaluated in models]
    check_distinct_names(names)
    _check_same_structures(models)
    protocol = Protocol(plan.suite, plan.seed, device, _sources(models, plan.suite))
    check_groups(plan.seeds, names)
    check_trained_alike(plan.seeds, models)
    cases = {evaluated.name: plan.cases_of(evaluated) for evaluated in models}
    check_same_cases(cases)
    tasks = [Task(each, case, protocol, output) for each in models for case in cases[each.name]]
    if run_tasks(tasks, jobs):
        return None
    tables = tables_of([task.part for task in tasks], output)
    tables.write(output)
    header = {
        "suite": plan.suite.name,
        "title": plan.suite.title,
        "data": plan.data.name,
        "split": plan.split,
        "seed": plan.seed,
        "command": plan.command(words or names),
        "models": {evaluated.name: evaluated.model.sha256 for evaluated in models},
        "networks": {evaluated.name: inference_settings(evaluated) for evaluated in models},
        "seen": {evaluated.name: seen_by(evaluated).to_dict() for evaluated in models},
        "cases": len(cases[names[0]]),
        "patients": len({case.patient for case in cases[names[0]]}),
    }
    summary = {**header, **summarize(tables, plan.suite)}
    summary["seeds"] = over_seeds(summary, plan.seeds)
    summary["seed_differences"] = differences(tables, plan.seeds)
    write_summary(output / SUMMARY_FILE, summary)
    return Verified(tuple(models), tuple(cases[names[0]]), plan.suite, plan.seed, tables, summary)


def _check_same_structures(models: Sequence[EvaluatedModel]) -> None:
    """Models are compared structure by structure."""
    first = models[0]
    for other in models[1:]:
        if (other.structures, dict(other.regions)) != (first.structures, dict(first.regions)):
            raise OptionError(
                f"{other.name} has other structures than {first.name} ({', '.join(other.structures)}); "
                "verify it alone"
            )


def _sources(models: Sequence[EvaluatedModel], suite: Suite) -> dict[str, EvaluatedModel]:
    """The models that attacks are transferred from, which prepare images as all the others do."""
    named = {evaluated.name: evaluated for evaluated in models}
    for name in suite.sources:
        if name not in named:
            raise OptionError(
                f"suite {suite.name}: attacks come from {name}, which is not verified; add it to the models"
            )
        for evaluated in models:
            if evaluated.model.description.input != named[name].model.description.input:
                raise OptionError(
                    f"suite {suite.name}: {evaluated.name} prepares images differently from {name}, so no "
                    "attack can be transferred; verify it without"
                )
    return {name: named[name].of_patient("") for name in suite.sources}
