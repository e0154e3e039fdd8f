"""`trustseg-train study`: train, evaluate and compare networks that share all but what is compared."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trustseg_training.dataset import Case
from trustseg_training.dataset.reading import read_image
from trustseg_training.evaluation import (
    Cost,
    EvaluatedModel,
    choose_cases,
    compare,
    costs,
    evaluate_loaded_models,
    inference_settings,
    load_evaluated_ensemble,
    load_evaluated_model,
    variant_of,
)
from trustseg_training.evaluation.comparison import Line
from trustseg_training.evaluation.evaluation import SUMMARY
from trustseg_training.evaluation.evaluation import TABLE as CASES
from trustseg_training.formatting import markdown_table
from trustseg_training.training import CHECKPOINTS
from TrustSegLib.errors import OptionError, output_error

from .definition import Study, load_study
from .training import train

TABLE, COSTS = "study.md", "costs.json"

#: Volumes of which time and memory are measured.
TIMED = 3


@dataclass(frozen=True)
class StudyOptions:
    """How a study is carried out.

    Attributes
    ----------
    runs : Path or None
        Folder of the run folders; ``runs`` in the output folder by default.
    split : str
        Patients to evaluate on.
    jobs : int
        Trainings at a time.
    accelerator : str
        Lightning's, for the trainings.
    device : str
        For the evaluations; the cost is measured on the CPU.

    Raises
    ------
    OptionError
        There are no jobs.
    """

    runs: Path | None = None
    split: str = "val"
    jobs: int = 1
    accelerator: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise OptionError(f"jobs {self.jobs}: give a whole number of at least 1")


def conduct(path: Path, data: Path, output: Path, options: StudyOptions | None = None) -> Path:
    """Carry out a study; called again, it continues where it stopped.

    Parameters
    ----------
    path : Path
        See `load_study`.
    data : Path
        Data set with labels, as for `fit`.
    output : Path
        Folder for ``study.md``, ``costs.json``, the comparison and an evaluation of each network.
    options : StudyOptions, optional
        The defaults if not given.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    TrustSegError
        Something in the study cannot be used, or a training failed.
    """
    options = options or StudyOptions()
    runs = options.runs or output / "runs"
    study = load_study(path, data, runs)
    train(study.networks, runs, options.jobs, options.accelerator)
    models = [_evaluated_model(name, study, runs) for name in study.compared]
    evaluations = output / "evaluations"
    for model in models:
        folder = evaluations / model.name
        if not _is_evaluated(model, data, options.split, folder):
            _remove(folder / CASES)  # all that is left of an evaluation that was stopped
            evaluate_loaded_models([model], data, options.split, folder, options.device)
    lines = compare([evaluations / model.name for model in models], output)
    measured = costs(models, _volumes(choose_cases(models[0], data, options.split)[:TIMED], models[0]))
    _write(output, study, markdown(study, lines, measured), measured)
    return output / TABLE


def _evaluated_model(name: str, study: Study, runs: Path) -> EvaluatedModel:
    checkpoint = CHECKPOINTS[study.checkpoint]
    if name in study.ensembles:
        return load_evaluated_ensemble(name, [runs / member for member in study.ensembles[name]], checkpoint)
    if name in study.variants:
        variant = study.variants[name]
        return variant_of(
            load_evaluated_model(runs / variant.network, checkpoint),
            name,
            variant.propagation,
            variant.options,
        )
    return load_evaluated_model(runs / name, checkpoint)


def _is_evaluated(evaluated: EvaluatedModel, data: Path, split: str, folder: Path) -> bool:
    """Whether the folder holds this very evaluation; another one is an error: nothing is overwritten."""
    found = _evaluation(folder / SUMMARY)
    if found is None:
        return False
    words = {"sha256": "set of weights", "network": "use of the weights", "data": "data", "split": "split"}
    wanted = evaluated.model.sha256, inference_settings(evaluated), data.name, split
    for (name, word), value in zip(words.items(), wanted, strict=True):
        if found.get(name) != value:
            raise OptionError(
                f"{folder}: holds an evaluation of another {word}, {found.get(name)}; choose another output "
                "folder, and name the trained networks with --runs"
            )
    return True


def _evaluation(summary: Path) -> dict[str, Any] | None:
    """Content of an evaluation; None where there is none, or none that can be read."""
    try:
        found = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(file, error, "remove it yourself", "cannot be removed") from error


def _volumes(cases: Sequence[Case], evaluated: EvaluatedModel) -> list:
    return [read_image(case, evaluated.model.description.channels) for case in cases]


def _write(output: Path, study: Study, table: str, measured: dict[str, Cost]) -> None:
    text = json.dumps({name: asdict(cost) for name, cost in measured.items()}, indent=2)
    try:
        (output / COSTS).write_text(text + "\n", encoding="utf-8")
        (output / TABLE).write_text(table, encoding="utf-8")
    except OSError as error:
        raise output_error(output, error, "choose another folder") from error


#: Measures of the table, with their heads; all others are in the comparison.
COLUMNS = {"dice": "Dice", "hd95_mm": "HD95, mm"}


def markdown(study: Study, lines: Sequence[Line], costs: Mapping[str, Cost]) -> str:
    """The table.

    Parameters
    ----------
    study : Study
        What was carried out.
    lines : sequence of Line
        Of `compare`.
    costs : mapping of str to Cost
        By name.
    """
    structures = list(dict.fromkeys(line.structure for line in lines))
    head = [f"{structure}: {title}" for title in COLUMNS.values() for structure in structures]
    head = ["network", *head, "parameters", "s / volume", "x", "MB"]
    table = markdown_table(head, [_row(name, lines, structures, costs) for name in study.compared])
    return f"# {study.title}\n\n{_explanation(study, lines)}\n\n{table}\n"


def _row(name: str, lines: Sequence[Line], structures: list[str], costs: Mapping[str, Cost]) -> list[str]:
    values = {(line.structure, line.measure): line for line in lines if line.model == name}
    cells = [_cell(values.get((structure, measure))) for measure in COLUMNS for structure in structures]
    cost, first = costs[name], next(iter(costs.values()))
    memory = "" if cost.memory_mb is None else f"{cost.memory_mb:.0f}"
    ratio = f"{cost.seconds / first.seconds:.2f}"
    return [name, *cells, f"{cost.parameters:,}", f"{cost.seconds:.3f}", ratio, memory]


def _cell(line: Line | None) -> str:
    if line is None:
        return ""
    digits = 3 if line.measure == "dice" else 2
    text = f"{line.mean.value:.{digits}f}"
    if line.mean.low is None:
        return text
    return f"{text} [{line.mean.low:.{digits}f}, {line.mean.high:.{digits}f}]"


def _explanation(study: Study, lines: Sequence[Line]) -> str:
    epochs = {name: configuration.epochs for name, configuration in study.networks.items()}
    budgets = ", ".join(f"{name} {count}" for name, count in epochs.items())
    patients = max(line.patients for line in lines)
    epoch = "the last epoch" if study.checkpoint == "last" else "the best epoch on the validation patients"
    text = (
        f"Mean over {patients} patients that trained nothing, with its 95 % interval (bootstrap over them); "
        f"weights of {epoch}. Time and memory: segmenting one volume on the CPU, the models in turn; x is "
        f"the time over that of {study.compared[0]}. Differences and their intervals: "
        f"[comparison.md](comparison.md). Epochs: {budgets}."
    )
    return textwrap.fill(text, 110, break_on_hyphens=False)
