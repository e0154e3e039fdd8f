"""`trustseg-train compare`: one table of several evaluations of the same patients."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from trustseg_training.formatting import decimal, markdown_table, with_interval
from trustseg_training.metrics.statistics import (
    CONFIDENCE,
    RESAMPLES,
    Difference,
    Mean,
    bootstrap_mean,
    holm,
    paired_difference,
)
from TrustSegLib.errors import OptionError, output_error

from .evaluated_model import check_distinct_names
from .evaluation import MEASURES, TABLE

#: Measures that tables from before they were added lack.
_ADDED = ("volume_bias",)

#: Measures that are compared; the volumes themselves say nothing about a model.
COMPARED = tuple(name for name in MEASURES if name not in ("volume_ml", "true_volume_ml"))

_HEADS = ("model", "patients", "mean", "difference", "p (Holm)")

CSV_COLUMNS = ("model", "structure", "measure", "patients", "mean", "low", "high")
CSV_COLUMNS += ("difference", "difference_low", "difference_high", "p_value", "p_value_holm")


@dataclass(frozen=True)
class Evaluation:
    """One model's table.

    Attributes
    ----------
    name : str
        Name of the model.
    values : dict
        Value by (case, structure, measure), None where it is undefined.
    patients : dict
        Patient by case.
    """

    name: str
    values: dict[tuple[str, str, str], float | None]
    patients: dict[str, str]

    def rows(self) -> list[tuple[str, str]]:
        """(case, structure) in the order of the file."""
        return list(dict.fromkeys(key[:2] for key in self.values))

    def column(self, structure: str, measure: str) -> np.ndarray:
        """Value of every patient, the mean over their images; NaN where there is none."""
        own: dict[str, list[float]] = {}
        for (case, named, measured), value in self.values.items():
            if (named, measured) == (structure, measure):
                own.setdefault(self.patients[case], []).extend([] if value is None else [value])
        return np.array([np.mean(values) if values else np.nan for _, values in sorted(own.items())])


@dataclass(frozen=True)
class Line:
    """One row of the comparison.

    ``difference`` is None for the first model; ``corrected`` is its p-value, corrected for the number of
    models that are compared with the first one in the same structure and measure.
    """

    model: str
    structure: str
    measure: str
    patients: int
    mean: Mean
    difference: Difference | None
    corrected: float | None = None


def compare(paths: list[Path], output: Path, seed: int = 0) -> list[Line]:
    """Compare evaluations and write ``comparison.md`` and ``comparison.csv``.

    Parameters
    ----------
    paths : list of Path
        Tables written by `evaluate`, or folders of them; the others are compared with the first.
    output : Path
        Folder to write into.
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of Line

    Raises
    ------
    OptionError
        A table is missing or damaged, or has other patients or structures than the first.
    OutputError
        The folder cannot be written.
    """
    evaluations = [_read(path) for path in _tables(paths)]
    _check_same(evaluations)
    lines = comparison(evaluations, seed)
    try:
        output.mkdir(parents=True, exist_ok=True)
        _write_csv(lines, output / "comparison.csv")
        (output / "comparison.md").write_text(markdown(lines, seed), encoding="utf-8")
    except OSError as error:
        raise output_error(output, error, "choose another folder") from error
    return lines


def comparison(evaluations: list[Evaluation], seed: int = 0) -> list[Line]:
    """Compare every structure, measure and model, in this order."""
    first = evaluations[0]
    structures = dict.fromkeys(structure for _, structure in first.rows())
    lines = []
    for structure in structures:
        for measure in COMPARED:
            lines += _corrected([_line(each, first, structure, measure, seed) for each in evaluations])
    return [line for line in lines if line.patients]


def markdown(lines: list[Line], seed: int) -> str:
    """The comparison as Markdown, a table for each structure and measure."""
    percent = round(100 * CONFIDENCE)
    parts = [
        "# Comparison\n\n"
        f"Mean over patients with its {percent} % interval (bootstrap over patients, {RESAMPLES} draws, "
        f"seed {seed}); difference to the first model, patient by patient, with its interval; p-value of "
        "Wilcoxon's signed-rank test, corrected by Holm's method for the number of models in its table (not "
        "for the number of tables; comparison.csv has it without the correction too). A patient without a "
        "value, such as a surface distance of an empty mask, is left out; a difference needs both values."
    ]
    for structure, measure in dict.fromkeys((line.structure, line.measure) for line in lines):
        rows = [line for line in lines if (line.structure, line.measure) == (structure, measure)]
        table = markdown_table(_HEADS, [_cells(line) for line in rows])
        parts.append(f"## {structure}: {measure}\n\n{table}")
    return "\n\n".join(parts) + "\n"


def _tables(paths: list[Path]) -> list[Path]:
    """The CSV files of the arguments: that of a folder itself, or those of its subfolders."""
    tables: list[Path] = []
    for path in paths:
        own = [path] if path.is_file() else [path / TABLE] if (path / TABLE).is_file() else []
        found = own or sorted(path.glob(f"*/{TABLE}"))
        if not found:
            raise OptionError(f"{path}: no {TABLE} in it; name a folder that `evaluate` wrote")
        tables += found
    if len(tables) < 2:
        raise OptionError(f"{tables[0]}: one evaluation only; name two or more to compare")
    return tables


def _read(path: Path) -> Evaluation:
    damaged = f"{path}: not a table of `evaluate`"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        for row in rows:
            row.update({name: row.get(name, "") for name in _ADDED})
        values = {
            (row["case"], row["structure"], name): float(row[name]) if row[name] else None
            for row in rows
            for name in MEASURES
        }
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise OptionError(f"{damaged} ({error!r}); evaluate the model again") from error
    names = {row["model"] for row in rows if row.get("model")}
    if len(names) != 1 or len(values) != len(rows) * len(MEASURES):
        raise OptionError(f"{damaged} of one model with one row per patient and structure; evaluate it again")
    return Evaluation(names.pop(), values, {row["case"]: row["patient"] for row in rows})


def _check_same(evaluations: list[Evaluation]) -> None:
    first = evaluations[0]
    for other in evaluations[1:]:
        different = sorted(set(first.rows()) ^ set(other.rows()))
        if different:
            case, structure = different[0]
            owner = first if different[0] in first.rows() else other
            raise OptionError(
                f"{first.name} and {other.name} were evaluated on different patients or structures: only "
                f"{owner.name} has {case}, {structure}; evaluate both with the same --data and --split"
            )
    check_distinct_names([each.name for each in evaluations])


def _line(evaluation: Evaluation, first: Evaluation, structure: str, measure: str, seed: int) -> Line:
    values = evaluation.column(structure, measure)
    known = values[np.isfinite(values)]
    mean = bootstrap_mean(known, seed) if len(known) else Mean(float("nan"), None, None)
    difference = None
    if evaluation is not first:
        reference = first.column(structure, measure)
        both = np.isfinite(values) & np.isfinite(reference)
        difference = paired_difference(values[both], reference[both], seed) if both.any() else None
    return Line(evaluation.name, structure, measure, len(known), mean, difference)


def _corrected(lines: list[Line]) -> list[Line]:
    """The rows of one structure and measure with Holm's p-values."""
    p_values = [None if line.difference is None else line.difference.p_value for line in lines]
    return [replace(line, corrected=p) for line, p in zip(lines, holm(p_values), strict=True)]


def _cells(line: Line) -> list[str]:
    cells = [line.model, str(line.patients), _interval(line.mean), "", ""]
    if line.difference is not None:
        p = line.corrected
        cells[3:] = [_interval(line.difference.mean, "+"), "" if p is None else f"{p:.3g}"]
    return cells


def _interval(mean: Mean, sign: str = "") -> str:
    return with_interval(vars(mean), partial(decimal, digits=4, sign=sign))


def _write_csv(lines: list[Line], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(CSV_COLUMNS)
        for line in lines:
            other = line.difference
            paired = (
                [None] * 5
                if other is None
                else [other.mean.value, other.mean.low, other.mean.high, other.p_value, line.corrected]
            )
            mean = [line.mean.value, line.mean.low, line.mean.high]
            writer.writerow([line.model, line.structure, line.measure, line.patients, *mean, *paired])
