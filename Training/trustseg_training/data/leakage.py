"""Leakage: no patient whose images are in a model's weights may validate or test it, or its successors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.rank_zero import rank_zero_info

from trustseg_training.config import FitConfiguration, is_run
from trustseg_training.dataset import SPLIT_TABLE, Case, list_cases
from trustseg_training.dataset.tables import read_table
from TrustSegLib.bundle import find_bundle, load_bundle
from TrustSegLib.errors import BundleError, ImageError, OptionError
from TrustSegLib.imaging import read_labels

#: Key of a bundle's `metrics.json`.
TRAINING_RECORD = "training_patients"


def check_leakage(origin: Path, configuration: FitConfiguration, cases: Sequence[Case]) -> None:
    """Refuse weights that were trained with a patient on whom the new run is evaluated.

    Patients are identified by name, within data whose folder has the same name: other data may use the names
    for other people.

    Parameters
    ----------
    origin : Path
        Run to start from; those that it was started from count too.
    configuration : FitConfiguration
        Of the new run.
    cases : sequence of Case
        Of the new run, with their sets.

    Raises
    ------
    OptionError
        Naming the run and a patient.
    """
    held_out = {case.patient for case in cases if case.split != "train"}
    for run in _ancestry(origin):
        if Path(FitConfiguration.load(run).data).name != Path(configuration.data).name:
            continue
        trained = trained_patients(run)
        if trained is None:
            rank_zero_info(f"note: {run} does not say which patients trained it")
            continue
        known = sorted(held_out & trained)
        if known:
            raise OptionError(
                f"{run}: was trained with {len(known)} of the patients that this run is evaluated on, such "
                f"as {known[0]}; use the same split (split-seed, fold, folds, validation-fraction)"
            )


def trained_patients(run: Path) -> set[str] | None:
    """Patients that a run was trained on; None for a run from before the table of its split was written."""
    table = run / SPLIT_TABLE
    if not table.is_file():
        return None
    return {row["patient"] for row in read_table(table, ("patient", "split")) if row["split"] == "train"}


def _ancestry(run: Path) -> Iterator[Path]:
    """A run, the run that it was started from, and so on."""
    seen: set[Path] = set()
    while is_run(run) and run not in seen:
        yield run
        seen.add(run)  # a run may have been trained again from one of its descendants
        before = FitConfiguration.load(run).initialize_from
        if before is None:
            return
        run = Path(before)
    if run not in seen:
        rank_zero_info(
            f"note: {run}, the start of the weights, is no run on this computer: its patients are not known"
        )


def training_record(runs: Sequence[Path]) -> dict[str, Any]:
    """Who trained some runs and those that they were started from, in digests that name nobody.

    Returns
    -------
    dict
        ``names``: SHA-256 of the name of the data's folder and of the patient; ``labels``: SHA-256 of the
        voxels of each training case's label, as stored, as far as the data are there.
    """
    names, labels = set(), set()
    for run in {each: None for start in runs for each in _ancestry(start)}:
        configuration = FitConfiguration.load(run)
        data, patients = Path(configuration.data), trained_patients(run) or set()
        before = record_of_bundle(configuration.initialize_from)
        names |= set(before.get("names", ()))
        labels |= set(before.get("labels", ()))
        names |= {_name_digest(data, patient) for patient in patients}
        try:
            cases, _ = list_cases(data)
        except ImageError:
            continue  # gone since the training: the names stay
        labels |= {label_digest(case) for case in cases if case.patient in patients}
    return {"names": sorted(names), "labels": sorted(labels - {None})}


def record_of_bundle(origin: str | None) -> Mapping[str, Any]:
    """Record of the bundle that a run was started from; empty if it was none, or one without a record."""
    if origin is None or is_run(Path(origin)):
        return {}
    try:
        metrics = load_bundle(find_bundle(Path(origin))).metrics()
    except BundleError:
        return {}  # gone since the training
    return (metrics or {}).get(TRAINING_RECORD, {})


def patients_known_to(record: Mapping[str, Any], cases: Sequence[Case], data: Path) -> list[str]:
    """Patients among the cases that trained the model of a `training_record`, by name or by label."""
    names, labels = set(record.get("names", ())), set(record.get("labels", ()))
    return sorted(
        {
            case.patient
            for case in cases
            if _name_digest(data, case.patient) in names or label_digest(case) in labels
        }
    )


def label_digest(case: Case) -> str | None:
    """SHA-256 of a label's size and voxels; None if it cannot be read, or has no structure."""
    try:
        array = read_labels(case.label).array
    except ImageError:
        return None
    if not array.any():
        return None
    return hashlib.sha256(str(array.shape).encode() + array.astype("<i4").tobytes()).hexdigest()


def _name_digest(data: Path, patient: str) -> str:
    return hashlib.sha256(f"{data.resolve().name}/{patient}".encode()).hexdigest()
