"""Who trains, who validates and who is kept apart, always by patient."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from trustseg_training.config import FitConfiguration
from trustseg_training.dataset import SPLIT_TABLE, Case
from trustseg_training.dataset.tables import read_table, write_table
from TrustSegLib.errors import ImageError, OptionError


def assign(cases: list[Case], configuration: FitConfiguration) -> list[Case]:
    """Give every case its set; cases that the small-data regime leaves out are dropped.

    The data's own split is kept. Without one, ``validation_fraction`` of the patients validate, drawn by
    ``split_seed``. With ``fold``, the patients of ``train`` and ``val`` are dealt into ``folds`` parts, of
    which this one validates. Then ``train_patients`` keeps the first so many of the training patients.

    Parameters
    ----------
    cases : list of Case
        Of `dataset.find_cases`.
    configuration : FitConfiguration
        Of the run.

    Returns
    -------
    list of Case
        In the same order, with ``split`` set.

    Raises
    ------
    ImageError
        A set would be empty.
    OptionError
        There are fewer patients than folds or than ``train_patients``.
    """
    splits = {case.patient: case.split for case in cases}
    if None in splits.values():
        splits = _drawn(splits, configuration)
    if configuration.fold is not None:
        splits |= _folded(splits, configuration)
    for split in ("train", "val"):
        if split not in splits.values():
            raise ImageError(
                f"{configuration.data}: no patient has split {split}; both train and val are needed"
            )
    if configuration.train_patients is not None:
        splits = _reduced(splits, configuration)
    return [replace(case, split=splits[case.patient]) for case in cases if case.patient in splits]


def shuffled(patients: list[str], seed: int) -> list[str]:
    """A random order that depends on the names and the seed alone, not on the other patients.

    Sorted by a hash: patients that are added later change nobody's neighbors, and no library's random
    numbers have to stay the same.
    """
    return sorted(patients, key=lambda patient: hashlib.sha256(f"{seed} {patient}".encode()).digest())


def save_split(cases: list[Case], run: Path) -> None:
    """Write the sets into a run folder, so that they stay when the data set grows."""
    rows = [{"case": case.name, "patient": case.patient, "split": str(case.split)} for case in cases]
    write_table(run / SPLIT_TABLE, rows)


def apply_saved(cases: list[Case], table: Path) -> list[Case]:
    """Give every case the set that it had when the run began; later cases are left out.

    Raises
    ------
    ImageError
        A case of the run is not in the data any more.
    """
    splits = {row["case"]: row["split"] for row in read_table(table, ("case", "split"))}
    lost = sorted(set(splits) - {case.name for case in cases})
    if lost:
        raise ImageError(f"{table}: {lost[0]} is not in the data any more; put it back, or train again")
    return [replace(case, split=splits[case.name]) for case in cases if case.name in splits]


def _drawn(patients: dict[str, str | None], configuration: FitConfiguration) -> dict[str, str]:
    order = shuffled(list(patients), configuration.split_seed)
    if len(order) < 2:
        raise ImageError(f"{configuration.data}: one patient; two are needed, to train and to validate")
    count = min(max(round(len(order) * configuration.validation_fraction), 1), len(order) - 1)
    return {patient: "val" if place < count else "train" for place, patient in enumerate(order)}


def _folded(splits: dict[str, str], configuration: FitConfiguration) -> dict[str, str]:
    pool = [patient for patient, split in splits.items() if split != "test"]
    if len(pool) < configuration.folds:
        raise OptionError(f"folds {configuration.folds}: only {len(pool)} patients; use fewer folds")
    order = shuffled(pool, configuration.split_seed)
    return {
        patient: "val" if place % configuration.folds == configuration.fold else "train"
        for place, patient in enumerate(order)
    }


def _reduced(splits: dict[str, str], configuration: FitConfiguration) -> dict[str, str]:
    training = [patient for patient, split in splits.items() if split == "train"]
    count = configuration.train_patients
    if count > len(training):
        raise OptionError(f"train-patients {count}: only {len(training)} patients train; use fewer")
    kept = set(shuffled(training, configuration.split_seed)[:count])
    return {patient: split for patient, split in splits.items() if split != "train" or patient in kept}
