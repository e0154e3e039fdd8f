"""Who trains and who validates: by patient, always the same, and kept with the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trustseg_training.config import FitConfiguration
from trustseg_training.data import PatientData
from trustseg_training.data.splits import apply_saved, assign, save_split, shuffled
from trustseg_training.dataset import Case
from TrustSegLib.errors import ImageError, OptionError

CONFIGURATION = FitConfiguration(data="data", structures=("A",))


def _cases(patients: int, images: int = 2, split: str | None = None) -> list[Case]:
    return [
        Case(f"p{patient}_{image}", (Path("i"),), Path("l"), f"p{patient}", split)
        for patient in range(patients)
        for image in range(images)
    ]


def _sets(cases: list[Case]) -> dict[str, set[str]]:
    return {name: {case.patient for case in cases if case.split == name} for name in ("train", "val", "test")}


def test_drawn_split_keeps_a_patient_together_and_depends_on_its_seed_alone():
    sets = _sets(assign(_cases(20), CONFIGURATION))
    assert len(sets["val"]) == 4
    assert not sets["train"] & sets["val"]
    assert sets == _sets(assign(_cases(20)[::-1], replace(CONFIGURATION, seed=9)))
    assert sets != _sets(assign(_cases(20), replace(CONFIGURATION, split_seed=1)))


def test_folds_validate_every_patient_once_and_leave_the_test_set_alone():
    cases = [*_cases(11, split="train"), Case("t", (Path("i"),), Path("l"), "t", "test")]
    seen = []
    for fold in range(3):
        sets = _sets(assign(cases, replace(CONFIGURATION, folds=3, fold=fold)))
        assert sets["test"] == {"t"}
        assert sets["train"] | sets["val"] == {f"p{index}" for index in range(11)}
        seen += sets["val"]
    assert sorted(seen) == sorted(f"p{index}" for index in range(11))


def test_few_training_patients_are_among_more_and_validation_stays():
    whole = _sets(assign(_cases(30), CONFIGURATION))
    few, more = (_sets(assign(_cases(30), replace(CONFIGURATION, train_patients=n))) for n in (5, 10))
    assert few["train"] < more["train"] < whole["train"]
    assert (len(few["train"]), len(more["train"])) == (5, 10)
    assert few["val"] == more["val"] == whole["val"]


def test_more_patients_than_exist_are_refused():
    with pytest.raises(OptionError, match="train-patients 17: only 16"):
        assign(_cases(20), replace(CONFIGURATION, train_patients=17))
    with pytest.raises(OptionError, match="folds 5: only 4"):
        assign(_cases(4), replace(CONFIGURATION, fold=0))
    with pytest.raises(ImageError, match="one patient"):
        assign(_cases(1), CONFIGURATION)


def test_order_of_patients_stays_when_others_are_added():
    few, more = (shuffled([f"p{index}" for index in range(count)], 0) for count in (8, 12))
    assert [patient for patient in more if patient in few] == few


def test_written_split_holds_when_the_data_grow(tmp_path):
    cases = assign(_cases(10), CONFIGURATION)
    save_split(cases, tmp_path)
    again = apply_saved(_cases(14), tmp_path / "splits.csv")
    assert again == cases
    with pytest.raises(ImageError, match=r"p8_0 is not in the data any more"):
        apply_saved(_cases(8), tmp_path / "splits.csv")


def test_run_reads_its_saved_split(dataset, tmp_path):
    (dataset / "splits.csv").unlink()
    first = FitConfiguration(data=str(dataset), structures=("A", "B"), patch=(16, 16, 16))
    data = PatientData(first)
    data.setup()
    data.save_split(tmp_path)
    names = {split: [sample["name"] for sample in samples] for split, samples in data.samples.items()}
    other = PatientData(replace(first, split_seed=5, validation_fraction=0.5), tmp_path)
    other.setup()
    assert {split: [s["name"] for s in samples] for split, samples in other.samples.items()} == names
    assert len(names["val"]) == 1


def test_test_patients_are_read_on_request(dataset):
    table = dataset / "splits.csv"
    table.write_text(table.read_text().replace("case_3,train", "case_3,test"))
    data = PatientData(FitConfiguration(data=str(dataset), structures=("A", "B"), patch=(16, 16, 16)))
    data.setup()
    assert [len(data.samples[name]) for name in data.samples] == [3, 2]
    assert [sample["name"] for sample in data.read("test")] == ["case_3"]
