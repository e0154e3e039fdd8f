"""`trustseg-train study`: train, judge and compare networks that share all but what is compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trustseg_training.dataset import Case
from trustseg_training.dataset.reading import read_image
from trustseg_training.judging import (
    Cost,
    Subject,
    choose_cases,
    compare,
    costs,
    ensemble_subject,
    evaluate_subjects,
    load_subject,
    passed_through,
    varied,
)
from trustseg_training.judging.evaluation import SUMMARY
from trustseg_training.judging.evaluation import TABLE as CASES
from TrustSegLib.errors import OptionError, OutputError

from .definition import Study, load_study
from .table import markdown
from .training import train

TABLE, COSTS = "study.md", "costs.json"

#: Volumes of which time and memory are measured.
TIMED = 3


def conduct(
    path: Path,
    data: Path,
    output: Path,
    *,
    runs: Path | None = None,
    split: str = "val",
    jobs: int = 1,
    accelerator: str = "auto",
    device: str = "auto",
) -> Path:
    """Carry out a study; called again, it goes on where it stopped.

    Parameters
    ----------
    path : Path
        See `load_study`.
    data : Path
        Data set with labels, as for `fit`.
    output : Path
        Folder for ``study.md``, ``costs.json``, the comparison and an evaluation of each network.
    runs : Path, optional
        Folder of the run folders; ``output/runs`` by default.
    split : str
        The patients to judge on.
    jobs : int
        Trainings at a time.
    accelerator : str
        Lightning's, for the trainings.
    device : str
        For the evaluations; the cost is measured on the CPU.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    TrustSegError
        Something in the study cannot be used, or a training failed.
    """
    runs = runs or output / "runs"
    study = load_study(path, data, runs)
    train(study.networks, runs, jobs, accelerator)
    subjects = [_subject(name, study, runs) for name in study.compared]
    evaluations = output / "evaluations"
    for subject in subjects:
        folder = evaluations / subject.name
        if not _is_judged(subject, data, split, folder):
            _remove(folder / CASES)  # all that is left of an evaluation that was stopped
            evaluate_subjects([subject], data, split, folder, device)
    lines = compare([evaluations / subject.name for subject in subjects], output)
    measured = costs(subjects, _volumes(choose_cases(subjects[0], data, split)[:TIMED], subjects[0]))
    _write(output, study, markdown(study, lines, measured), measured)
    return output / TABLE


def _subject(name: str, study: Study, runs: Path) -> Subject:
    checkpoint = f"{study.checkpoint}.ckpt"
    if name in study.ensembles:
        return ensemble_subject(name, [runs / member for member in study.ensembles[name]], checkpoint)
    if name in study.variants:
        variant = study.variants[name]
        return varied(
            load_subject(runs / variant.network, checkpoint), name, variant.propagation, variant.options
        )
    return load_subject(runs / name, checkpoint)


def _is_judged(subject: Subject, data: Path, split: str, folder: Path) -> bool:
    """Whether the folder holds this very evaluation; another one is an error, for nothing is overwritten."""
    found = _evaluation(folder / SUMMARY)
    if found is None:
        return False
    told = {"sha256": "set of weights", "network": "use of the weights", "data": "data", "split": "split"}
    wanted = subject.model.sha256, passed_through(subject), data.name, split
    for (name, word), value in zip(told.items(), wanted, strict=True):
        if found.get(name) != value:
            raise OptionError(
                f"{folder}: holds an evaluation of another {word}, {found.get(name)}; choose another output "
                "folder, and name the trained networks with --runs"
            )
    return True


def _evaluation(summary: Path) -> dict[str, Any] | None:
    """What an evaluation says; None where there is none, or none that can be read."""
    try:
        found = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{file}: cannot be removed ({error.strerror}); remove it yourself") from error


def _volumes(cases: Sequence[Case], subject: Subject) -> list:
    return [read_image(case, subject.model.description.channels) for case in cases]


def _write(output: Path, study: Study, table: str, measured: dict[str, Cost]) -> None:
    text = json.dumps({name: asdict(cost) for name, cost in measured.items()}, indent=2)
    try:
        (output / COSTS).write_text(text + "\n", encoding="utf-8")
        (output / TABLE).write_text(table, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror}); choose another folder") from error
