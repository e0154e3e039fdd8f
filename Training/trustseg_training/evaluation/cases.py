"""The cases that a model is evaluated on: never a patient of its training, and the same for every model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_info

from trustseg_training.data import (
    TRAINING_RECORD,
    apply_saved,
    assign,
    patients_known_to,
    trained_patients,
)
from trustseg_training.dataset import SPLIT_TABLE, Case, Inspector, find_cases, known_values, remap
from trustseg_training.dataset.tables import read_table
from TrustSegLib.bundle import Bundle
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume, orient, resample
from TrustSegLib.inference.prediction import prepare_image

from .evaluated_model import EvaluatedModel


def choose_cases(evaluated: EvaluatedModel, data: Path, split: str) -> list[Case]:
    """The cases of a set: by the run's own split where it applies, else by that of the data.

    Raises
    ------
    ImageError
        The set is empty.
    OptionError
        A patient of the set was in the training set of the run or bundle. Patients are identified by name,
        and only within data whose folder has the name of the run's: other data may use the same names for
        other people. Those of a bundle are identified by their labels too.
    """
    cases = find_cases(data)
    if split == "all":
        return cases
    if evaluated.run is not None and _split_by_run(evaluated, cases, data):
        table = evaluated.run.run / SPLIT_TABLE
        saved = table.is_file()
        cases = apply_saved(cases, table) if saved else assign(cases, evaluated.run.configuration)
    chosen = [case for case in cases if case.split == split]
    if not chosen:
        raise ImageError(f"{data}: no patient has split {split}; choose a set that some have")
    if split != "train":
        _check_leakage(evaluated, chosen, data, split)
    return chosen


def check_same_cases(cases: dict[str, list[Case]]) -> None:
    """Check that all models are evaluated on the same patients.

    Parameters
    ----------
    cases : dict of str to list of Case
        By model name.

    Raises
    ------
    OptionError
        Naming two models and a case that only one of them would be evaluated on.
    """
    (first, own), *others = ((name, {case.name for case in chosen}) for name, chosen in cases.items())
    for name, found in others:
        different = sorted(own ^ found)
        if different:
            owner = first if different[0] in own else name
            raise OptionError(
                f"{first} and {name} would be evaluated on different patients: only {owner} has "
                f"{different[0]}; their runs split the patients differently, so evaluate them one by one, or "
                "on other data"
            )


def inspector_of(evaluated: EvaluatedModel) -> Inspector:
    """Reads and checks images with the model's channels and labels with its values."""
    known = known_values(evaluated.label_map, len(evaluated.structures) + 1)
    return Inspector(evaluated.model.description.channels, known)


def read_case(evaluated: EvaluatedModel, case: Case) -> tuple[Volume, Volume]:
    """Image and label of a case, as stored.

    Raises
    ------
    ImageError
        Naming all problems of its files.
    """
    inspector = inspector_of(evaluated)
    volumes = inspector.read(case)
    if volumes is None:
        raise ImageError("; ".join(inspector.problems))
    return volumes


def on_model_grid(evaluated: EvaluatedModel, image: Volume, label: Volume) -> tuple[Volume, Volume]:
    """An image as the network sees it, and the label with the network's classes on the same grid."""
    description = evaluated.model.description
    prepared = prepare_image(image, description)
    truth = orient(label, description.input.orientation)
    if truth.array.shape[1:] != prepared.array.shape[1:]:
        truth = resample(truth, prepared.spacing, "nearest")
    return prepared, truth.with_array(remap(truth.array, evaluated.label_map))


def _split_by_run(evaluated: EvaluatedModel, cases: Sequence[Case], data: Path) -> bool:
    """Whether the run's split applies: to its own data, and where that of the data would mix up the sets."""
    configuration = evaluated.run.configuration
    if Path(configuration.data).resolve() == data.resolve():
        return True
    table = evaluated.run.run / SPLIT_TABLE
    names = {row["case"] for row in read_table(table, ("case", "split"))} if table.is_file() else set()
    all_present = names <= {case.name for case in cases}
    return all_present and (configuration.fold is not None or any(case.split is None for case in cases))


def _check_leakage(evaluated: EvaluatedModel, chosen: Sequence[Case], data: Path, split: str) -> None:
    if isinstance(evaluated.model, Bundle):
        _check_leakage_of_bundle(evaluated, chosen, data, split)
    if evaluated.run is None or Path(evaluated.run.configuration.data).name != data.name:
        return
    trained = trained_patients(evaluated.run.run) or set()
    known = sorted(trained & {case.patient for case in chosen})
    if known:
        raise OptionError(
            f"{evaluated.run.run}: was trained with {len(known)} of the patients whom {data} calls {split}, "
            f"such as {known[0]}; evaluate it on the data and the split that it was trained with"
        )


def _check_leakage_of_bundle(
    evaluated: EvaluatedModel, chosen: Sequence[Case], data: Path, split: str
) -> None:
    record = (evaluated.model.metrics() or {}).get(TRAINING_RECORD)
    if record is None:
        rank_zero_info(f"note: {evaluated.name} does not say which patients trained it")
        return
    known = patients_known_to(record, chosen, data)
    if known:
        raise OptionError(
            f"{evaluated.name}: was trained with {len(known)} of the patients whom {data} calls {split}, "
            f"such as {known[0]}; evaluate it on other patients"
        )
