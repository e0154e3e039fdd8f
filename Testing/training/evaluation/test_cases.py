"""No model is evaluated on a patient of its training, and models are compared on the same patients."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trustseg_training.cli import main
from trustseg_training.evaluation import choose_cases, load_evaluated_model

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--family", "deterministic", "--epochs", "1"]


def _fit(data: Path, run: Path, *more: str) -> Path:
    assert main(["fit", str(data), "-o", str(run), *OPTIONS, *more]) == 0
    return run


def _split(data: Path, **splits: str) -> None:
    rows = [f"case_{index},{splits.get(f'case_{index}', 'train')}" for index in range(6)]
    (data / "splits.csv").write_text("\n".join(["case,split", *rows]) + "\n")


def _names(run: Path, data: Path, split: str) -> list[str]:
    return [case.name for case in choose_cases(load_evaluated_model(run), data, split)]


@pytest.fixture
def moved(dataset, tmp_path) -> Path:
    """The same images elsewhere, in a folder of the same name."""
    copy = tmp_path / "elsewhere" / dataset.name
    shutil.copytree(dataset, copy)
    return copy


def test_moved_data_with_training_patients_in_validation_are_refused(dataset, moved, tmp_path, capsys):
    run = _fit(dataset, tmp_path / "run")
    assert _names(run, moved, "val") == ["case_4", "case_5"]
    _split(moved, case_2="val", case_5="val")
    command = ["evaluate", str(run), "--data", str(moved), "-o", str(tmp_path / "out"), "--device", "cpu"]
    assert main(command) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{run}: was trained with 1 of the patients whom {moved} calls val, such as case_2" in said
    assert not (tmp_path / "out").exists()
    assert main([*command, "--split", "train"]) == 0  # who asks for these patients knows it


def test_data_of_another_hospital_may_use_the_same_names(dataset, tmp_path):
    run, other = _fit(dataset, tmp_path / "run"), tmp_path / "hospital B"
    shutil.copytree(dataset, other)
    _split(other, case_2="val")
    assert _names(run, other, "val") == ["case_2"]


def test_run_of_a_fold_is_evaluated_on_the_test_set_of_other_data(dataset, tmp_path):
    run, other = _fit(dataset, tmp_path / "run", "--fold", "0", "--folds", "3"), tmp_path / "hospital B"
    shutil.copytree(dataset, other)
    for folder in ("imagesTr", "labelsTr"):
        (other / folder / "case_0.nii.gz").unlink()
        (other / folder / "case_1.nii.gz").rename(other / folder / "other_1.nii.gz")
    rows = ["case,split", "other_1,test", *(f"case_{index},val" for index in range(2, 6))]
    (other / "splits.csv").write_text("\n".join(rows) + "\n")
    assert _names(run, other, "test") == ["other_1"]


def test_comparison_of_models_of_different_folds_is_refused(dataset, tmp_path, capsys):
    (dataset / "splits.csv").unlink()
    folds = [_fit(dataset, tmp_path / f"fold-{n}", "--fold", str(n), "--folds", "3") for n in (0, 1)]
    output = tmp_path / "out"
    command = ["verify", *map(str, folds), "--data", str(dataset), "-o", str(output), "--suite", "quick"]
    assert main(command) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "fold-0 and fold-1 would be evaluated on different patients: only fold-" in said
    assert not output.exists()
