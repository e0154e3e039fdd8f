"""`trustseg-train evaluate`: segment the patients of a data set and measure the agreement with the truth.

Every image is segmented by `TrustSegLib.inference.segment`, as for a user, and evaluated on its own grid.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from trustseg_training.dataset import Case, DatasetError, region_masks, remap
from trustseg_training.metrics import Agreement, Overlap, agreement, union_and_cut
from trustseg_training.progress import counted
from trustseg_training.training import BEST
from TrustSegLib.errors import ImageError, OptionError, output_error
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentOptions, segment
from TrustSegLib.report.files import write_atomically

from .cases import choose_cases, inspector_of
from .evaluated_model import (
    EvaluatedModel,
    check_distinct_names,
    inference_settings,
    load_evaluated_model,
)

TABLE, SUMMARY = "evaluation.csv", "evaluation.json"
MEASURES = tuple(field.name for field in fields(Agreement))
OVERLAPS = tuple(field.name for field in fields(Overlap))
SPLITS = ("train", "val", "test", "all")

Row = dict[str, Any]
"""``model``, ``case``, ``patient``, ``structure`` and `MEASURES`; None where a measure is not defined.

Rows of union and cut (`metrics.union_and_cut`) have `OVERLAPS`, and their title as structure.
"""


def evaluate_models(
    paths: Sequence[Path],
    data: Path,
    split: str,
    output: Path,
    device: str = "auto",
    checkpoint: str = BEST,
) -> dict[str, dict]:
    """Evaluate runs and bundles and write a table and a summary of each.

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
        Of the runs: `BEST` or `LAST`.

    Returns
    -------
    dict
        By model name: the result of `summarize` of all structures, and ``union_and_cut``.

    Raises
    ------
    OptionError
        Two models have the same name, or the output folder already holds an evaluation.
    TrustSegError
        A model or the data cannot be used.
    OutputError
        The folder cannot be written.
    """
    return evaluate_loaded_models(
        [load_evaluated_model(path, checkpoint) for path in paths], data, split, output, device
    )


def evaluate_loaded_models(
    models: Sequence[EvaluatedModel], data: Path, split: str, output: Path, device: str = "auto"
) -> dict[str, dict]:
    """As `evaluate_models`, for models that are loaded already."""
    folders = _folders(models, output)
    summaries = {}
    for evaluated in models:
        rows, cuts = evaluate_cases(evaluated, choose_cases(evaluated, data, split), data, device)
        summary, apart = summarize(rows), summarize(cuts, OVERLAPS)
        summaries[evaluated.name] = {"structures": summary, "union_and_cut": apart}
        header = {"model": evaluated.name, "sha256": evaluated.model.sha256}
        header |= {"data": data.name, "split": split}
        header["checkpoint"] = None if evaluated.run is None else evaluated.run.checkpoint
        header["network"] = inference_settings(evaluated)
        content = {**header, "summary": summary, "union_and_cut": apart, "cases": rows}
        _write(folders[evaluated.name], rows, {**content, "union_and_cut_of_cases": cuts})
    return summaries


def evaluate_cases(
    evaluated: EvaluatedModel, cases: list[Case], data: Path, device: str = "auto"
) -> tuple[list[Row], list[Row]]:
    """Segment and measure every case: rows of structures and regions, and rows of union and cut.

    Raises
    ------
    DatasetError
        Naming every image and label that cannot be used.
    """
    inspector = inspector_of(evaluated)
    rows: list[Row] = []
    cuts: list[Row] = []
    for case in counted(cases, f"evaluating {evaluated.name}"):
        volumes = inspector.read(case)
        if volumes is not None:
            own, apart = _evaluate_case(evaluated, case, *volumes, device)
            rows, cuts = rows + own, cuts + apart
    if inspector.problems:
        raise DatasetError(data, inspector.problems)
    return rows, cuts


def summarize(
    rows: list[Row], measures: Sequence[str] = MEASURES
) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """Mean, standard deviation and median over patients, by structure and measure.

    A patient with several images counts once, with their mean. ``missing`` patients have no value.
    """
    found = {}
    for structure in dict.fromkeys(row["structure"] for row in rows):
        own = [row for row in rows if row["structure"] == structure]
        found[structure] = {measure: _statistics(own, measure) for measure in measures}
    return found


def means_of_patients(rows: Sequence[Mapping[str, Any]], measure: str) -> np.ndarray:
    """Mean of a measure over the images of each patient, (patients,); without patients who have no value."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row[measure] is not None:
            found.setdefault(row["patient"], []).append(row[measure])
    return np.array([np.mean(values) for values in found.values()])


def _evaluate_case(
    evaluated: EvaluatedModel, case: Case, image: Volume, label: Volume, device: str
) -> tuple[list[Row], list[Row]]:
    try:
        predicted = segment(image, evaluated.model, SegmentOptions(device=device)).labels.array[0]
    except ImageError as error:  # about voxels: it lacks the file name
        raise ImageError(f"{case.images[0]}: {error}") from error
    truth = remap(label.array, evaluated.label_map)[0]
    masks, truths = region_masks(predicted, evaluated.unions), region_masks(truth, evaluated.unions)
    header = {"model": evaluated.name, "case": case.name, "patient": case.patient}
    rows = [
        {**header, "structure": name, **asdict(agreement(masks[name], truths[name], label.spacing))}
        for name in evaluated.unions
    ]
    apart = union_and_cut(predicted, truth, label.spacing, evaluated.labels)
    return rows, [{**header, "structure": title, **asdict(found)} for title, found in apart.items()]


def _statistics(rows: list[Row], measure: str) -> dict[str, float | int | None]:
    means = means_of_patients(rows, measure)
    found = len(means)
    return {
        "patients": found,
        "missing": len({row["patient"] for row in rows}) - found,
        "mean": float(means.mean()) if found else None,
        "std": float(means.std(ddof=1)) if found > 1 else None,
        "median": float(np.median(means)) if found else None,
    }


def _folders(models: Sequence[EvaluatedModel], output: Path) -> dict[str, Path]:
    names = [evaluated.name for evaluated in models]
    check_distinct_names(names)
    folders = {name: output if len(names) == 1 else output / name for name in names}
    for folder in folders.values():
        if (folder / TABLE).exists():
            raise OptionError(f"{folder}: holds an evaluation already; choose another folder")
    return folders


def _write(folder: Path, rows: list[Row], content: dict[str, Any]) -> None:
    """Each file is written whole or not at all, the summary last: it marks the evaluation as finished."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error, "choose another folder") from error
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, ["model", "case", "patient", "structure", *MEASURES])
    writer.writeheader()
    writer.writerows(rows)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / TABLE, table.getvalue().encode("utf-8"))
    write_atomically(folder / SUMMARY, f"{text}\n".encode())
