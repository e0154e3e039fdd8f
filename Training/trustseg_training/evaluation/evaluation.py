"""`trustseg-train evaluate`: how well models segment the patients of a data set, as a person would get it.

Every image is segmented by `TrustSegLib.inference.segment`, and evaluated on its own grid.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from trustseg_training.dataset import Case, DatasetError, Inspector, known_values, region_masks, remap
from trustseg_training.metrics import Agreement, agreement
from trustseg_training.training import BEST
from TrustSegLib.errors import ImageError, OptionError, OutputError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentOptions, segment
from TrustSegLib.report.files import write_atomically

from .cases import choose_cases
from .evaluated_model import EvaluatedModel, inference_settings, load_evaluated_model

TABLE, SUMMARY = "evaluation.csv", "evaluation.json"
MEASURES = tuple(field.name for field in fields(Agreement))
SPLITS = ("train", "val", "test", "all")

Row = dict[str, Any]
"""``model``, ``case``, ``patient``, ``structure`` and `MEASURES`; None where a measure is not defined."""


def evaluate_models(
    paths: Sequence[Path],
    data: Path,
    split: str,
    output: Path,
    device: str = "auto",
    checkpoint: str = BEST,
) -> dict[str, dict]:
    """Judge runs and bundles and write a table and a summary of each.

    Parameters
    ----------
    paths : sequence of Path
        Run folders, bundle folders or bundle archives.
    data : Path
        See `dataset.find_cases`.
    split : str
        One of `SPLITS`.
    output : Path
        Folder for ``evaluation.csv`` and ``evaluation.json``; with several models, for one folder each.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    checkpoint : str
        Of the runs, `run.BEST` or `run.LAST`.

    Returns
    -------
    dict
        By model name, what `summarize` says.

    Raises
    ------
    OptionError
        Two models have one name, or the output folder holds an evaluation already.
    TrustSegError
        A model or the data cannot be used.
    OutputError
        The folder cannot be written.
    """
    return evaluate_loaded_models(
        [load_evaluated_model(path, checkpoint) for path in paths], data, split, output, device
    )


def evaluate_loaded_models(
    subjects: Sequence[EvaluatedModel], data: Path, split: str, output: Path, device: str = "auto"
) -> dict[str, dict]:
    """As `evaluate_models`, of what is loaded already."""
    folders = _folders(subjects, output)
    told = {}
    for subject in subjects:
        rows = evaluate_cases(subject, choose_cases(subject, data, split), data, device)
        told[subject.name] = summarize(rows)
        header = {"model": subject.name, "sha256": subject.model.sha256, "data": data.name, "split": split}
        header["checkpoint"] = None if subject.run is None else subject.run.checkpoint
        header["network"] = inference_settings(subject)
        _write(folders[subject.name], rows, {**header, "summary": told[subject.name], "cases": rows})
    return told


def evaluate_cases(subject: EvaluatedModel, cases: list[Case], data: Path, device: str = "auto") -> list[Row]:
    """Segment and measure every case.

    Raises
    ------
    DatasetError
        Images or labels cannot be used: every one.
    """
    checks = Inspector(
        subject.model.description.channels, known_values(subject.label_map, len(subject.structures) + 1)
    )
    rows: list[Row] = []
    for case in tqdm(cases, desc=f"evaluating {subject.name}", unit="image", disable=None):
        volumes = checks.read(case)
        if volumes is not None:
            rows += _evaluate_case(subject, case, *volumes, device)
    if checks.problems:
        raise DatasetError(data, checks.problems)
    return rows


def summarize(rows: list[Row]) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """Mean, standard deviation and median over patients, by structure and measure.

    A patient with several images counts once, with their mean. ``missing`` patients have no value.
    """
    table: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for row in rows:
        for measure in MEASURES:
            patients = table.setdefault(row["structure"], {}).setdefault(measure, {})
            patients.setdefault(row["patient"], []).append(row[measure])
    return {
        structure: {measure: _statistics(list(patients.values())) for measure, patients in measures.items()}
        for structure, measures in table.items()
    }


def _evaluate_case(
    subject: EvaluatedModel, case: Case, image: Volume, label: Volume, device: str
) -> list[Row]:
    try:
        answer = segment(image, subject.model, SegmentOptions(device=device)).labels.array[0]
    except ImageError as error:  # of the voxels, which have no file's name
        raise ImageError(f"{case.images[0]}: {error}") from error
    truth = remap(label.array, subject.label_map)[0]
    structures = {name: (index,) for index, name in enumerate(subject.structures, start=1)}
    unions = {**structures, **subject.regions}
    masks, truths = region_masks(answer, unions), region_masks(truth, unions)
    header = {"model": subject.name, "case": case.name, "patient": case.patient}
    return [
        {**header, "structure": name, **asdict(agreement(masks[name], truths[name], label.spacing))}
        for name in unions
    ]


def _statistics(patients: list[list[float | None]]) -> dict[str, float | int | None]:
    known = [[value for value in values if value is not None] for values in patients]
    means = np.array([np.mean(values) for values in known if values])
    found = len(means)
    return {
        "patients": found,
        "missing": len(patients) - found,
        "mean": float(means.mean()) if found else None,
        "std": float(means.std(ddof=1)) if found > 1 else None,
        "median": float(np.median(means)) if found else None,
    }


def _folders(subjects: Sequence[EvaluatedModel], output: Path) -> dict[str, Path]:
    names = [subject.name for subject in subjects]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise OptionError(f"two models are named {repeated[0]}; rename one of the folders")
    folders = {name: output if len(names) == 1 else output / name for name in names}
    for folder in folders.values():
        if (folder / TABLE).exists():
            raise OptionError(f"{folder}: holds an evaluation already; choose another folder")
    return folders


def _write(folder: Path, rows: list[Row], content: dict[str, Any]) -> None:
    """Each file is there whole or not at all, and the summary last: with it, the evaluation is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, ["model", "case", "patient", "structure", *MEASURES])
    writer.writeheader()
    writer.writerows(rows)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / TABLE, table.getvalue().encode("utf-8"))
    write_atomically(folder / SUMMARY, f"{text}\n".encode())
