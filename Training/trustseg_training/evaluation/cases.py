"""The cases that a model is evaluated on: never a patient of its training, the same for every model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trustseg_training.data import apply_saved, assign
from trustseg_training.dataset import SPLIT_TABLE, Case, find_cases
from trustseg_training.dataset.tables import read_table
from TrustSegLib.errors import ImageError, OptionError

from .evaluated_model import EvaluatedModel


def choose_cases(subject: EvaluatedModel, data: Path, split: str) -> list[Case]:
    """The cases of a set: as the run drew them if it did, else as the data name them.

    Raises
    ------
    ImageError
        The set is empty.
    OptionError
        The data call a patient of the set so who trained the run. Patients are told by name, within data
        whose folder is named as the run's: other data may use the names for other people.
    """
    cases = find_cases(data)
    if split == "all":
        return cases
    if subject.run is not None and _split_by_run(subject, cases, data):
        table = subject.run.run / SPLIT_TABLE
        saved = table.is_file()
        cases = apply_saved(cases, table) if saved else assign(cases, subject.run.configuration)
    chosen = [case for case in cases if case.split == split]
    if not chosen:
        raise ImageError(f"{data}: no patient has split {split}; choose a set that some have")
    if split != "train":
        _check_not_trained(subject, chosen, data, split)
    return chosen


def check_same_cases(cases: dict[str, list[Case]]) -> None:
    """Models are compared on the same patients.

    Raises
    ------
    OptionError
        Naming two models and a case that only one of them would be judged on.
    """
    (first, own), *others = ((name, {case.name for case in chosen}) for name, chosen in cases.items())
    for name, found in others:
        different = sorted(own ^ found)
        if different:
            owner = first if different[0] in own else name
            raise OptionError(
                f"{first} and {name} would be judged on different patients: only {owner} has {different[0]}; "
                "their runs split the patients otherwise, so judge them one by one, or on other data"
            )


def _split_by_run(subject: EvaluatedModel, cases: Sequence[Case], data: Path) -> bool:
    """Whether the run's split holds: for its own data, and where the data's own would mix up the sets."""
    configuration = subject.run.configuration
    if Path(configuration.data).resolve() == data.resolve():
        return True
    table = subject.run.run / SPLIT_TABLE
    names = {row["case"] for row in read_table(table, ("case", "split"))} if table.is_file() else set()
    at_hand = names <= {case.name for case in cases}
    return at_hand and (configuration.fold is not None or any(case.split is None for case in cases))


def _check_not_trained(subject: EvaluatedModel, chosen: Sequence[Case], data: Path, split: str) -> None:
    if subject.run is None or Path(subject.run.configuration.data).name != data.name:
        return
    table = subject.run.run / SPLIT_TABLE
    if not table.is_file():  # runs from before there was one
        return
    rows = read_table(table, ("patient", "split"))
    trained = {row["patient"] for row in rows if row["split"] == "train"}
    known = sorted(trained & {case.patient for case in chosen})
    if known:
        raise OptionError(
            f"{subject.run.run}: was trained with {len(known)} of the patients whom {data} calls {split}, "
            f"such as {known[0]}; judge it on the data and the split that it was trained with"
        )
