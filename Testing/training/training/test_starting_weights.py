"""Where a training starts: a twin, its own family, a bundle; never with patients it is evaluated on."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.config.yaml_file import load
from trustseg_training.training import lightning_module, load_weights
from TrustSegLib.bundle import load_bundle

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--epochs", "1"]
STILL = ["--learning-rate", "1e-12", "--variance-learning-rate", "1e-12"]


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


def _same(one: dict, other: dict) -> bool:
    return all(torch.allclose(value, other[name], atol=1e-6) for name, value in one.items())


@pytest.fixture
def origin(dataset, tmp_path) -> Path:
    """A variational run whose variances have left their start."""
    run = tmp_path / "origin"
    assert _fit(dataset, run, "--variance-learning-rate", "0.5") == 0
    return run


@pytest.fixture
def bundle(origin, details, tmp_path) -> Path:
    folder = tmp_path / "hippocampus-t1"
    assert main(["export", str(origin), "-o", str(folder), "--details", str(details)]) == 0
    return folder


def test_network_of_the_same_family_gives_means_and_variances(dataset, origin, tmp_path):
    assert _fit(dataset, tmp_path / "run", *STILL, "--initialize-from", str(origin)) == 0
    before, after = load_weights(origin), load_weights(tmp_path / "run")
    assert any(name.endswith("rho") for name in before)
    assert _same(before, after)


def test_variational_network_gives_another_family_its_means(dataset, origin, tmp_path):
    run = tmp_path / "run"
    assert _fit(dataset, run, *STILL, "--family", "deterministic", "--initialize-from", str(origin)) == 0
    after = load_weights(run)
    assert not any(name.endswith("rho") for name in after)
    assert _same(after, load_weights(origin))


def test_bundle_gives_its_weights_and_the_card_names_it(
    dataset, origin, bundle, details, tmp_path, caplog, capfd
):
    run, tuned = tmp_path / "run", tmp_path / "tuned" / "hippocampus-t1"
    assert _fit(dataset, run, *STILL, "--initialize-from", str(bundle)) == 0
    assert _same(load_weights(origin), load_weights(run))
    assert "does not say which patients trained it" not in caplog.text + capfd.readouterr().err
    tuned.parent.mkdir()
    assert main(["export", str(run), "-o", str(tuned), "--details", str(details)]) == 0
    card = (tuned / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "1 epochs, started from the weights of hippocampus-t1." in card
    assert re.search(r"--initialize-from hippocampus-t1 .*--output RUN", card)
    assert str(tmp_path) not in card
    records = [load_bundle(folder).metrics()["training_patients"] for folder in (bundle, tuned)]
    assert records[0] == records[1]


def test_bundle_of_the_patients_to_be_evaluated_on_is_refused(dataset, bundle, tmp_path, capsys):
    assert (
        _fit(dataset, tmp_path / "run", "--initialize-from", str(bundle), "--fold", "0", "--folds", "2") == 2
    )
    assert "of the patients that this run is evaluated on, such as case_" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_differences_to_the_starting_run_are_reported(dataset, origin, bundle, tmp_path, caplog, capfd):
    for number, start in enumerate((origin, bundle)):
        changed = ("--spacing", "1", "1", "1.2", "--initialize-from", str(start))
        assert _fit(dataset, tmp_path / f"run-{number}", *STILL, *changed) == 0
        notes = [
            line
            for line in (caplog.text + capfd.readouterr().err).splitlines()
            if " was trained on images " in line
        ]
        message = (
            f"note: {start} was trained on images with spacing (1.0, 1.0, 1.0), this run has (1.0, 1.0, 1.2)"
        )
        assert len(notes) == number + 1
        assert message in notes[-1]


def test_name_of_a_model_stays_a_name_in_a_file(tmp_path):
    settings = {"data": "images", "structures": ["A"], "initialize_from": "hippocampus-t1"}
    (tmp_path / "a.yaml").write_text(json.dumps(settings))
    assert load(tmp_path / "a.yaml").initialize_from == "hippocampus-t1"
    (tmp_path / "hippocampus-t1").mkdir()  # what lies beside the file goes first
    assert load(tmp_path / "a.yaml").initialize_from == str(tmp_path / "hippocampus-t1")


def test_run_that_was_killed_in_its_first_epoch_starts_where_it_had_started(
    dataset, origin, tmp_path, monkeypatch
):
    run, start = tmp_path / "run", (*STILL, "--initialize-from", str(origin))

    def broken(self, batch, index):
        raise FloatingPointError("the loss is nan")

    with monkeypatch.context() as patch:
        patch.setattr(lightning_module.Segmentation, "training_step", broken)
        assert _fit(dataset, run, *start) == 2
    assert not (run / "last.ckpt").exists()
    assert _fit(dataset, run, *start, "--resume") == 0
    assert _same(load_weights(origin), load_weights(run))


def test_weights_of_another_architecture_are_refused_by_name(dataset, origin, tmp_path, capsys):
    run = tmp_path / "run"
    assert _fit(dataset, run, "--filters", "4", "6", "--initialize-from", str(origin)) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith(
        f"trustseg-train: error: {origin}: cannot be started from, its network is another"
    )
    assert not run.exists()


def test_place_that_is_neither_run_nor_bundle_is_refused(dataset, tmp_path, capsys):
    assert _fit(dataset, tmp_path / "run", "--initialize-from", str(tmp_path / "nowhere")) == 2
    assert "nowhere: is neither a bundled model" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def _without_own_split(dataset: Path) -> Path:
    (dataset / "splits.csv").unlink()
    return dataset


def test_validation_patients_who_trained_the_start_are_refused(dataset, tmp_path, capsys):
    data, first, second = _without_own_split(dataset), tmp_path / "first", tmp_path / "second"
    assert _fit(data, first, "--family", "deterministic", "--fold", "0", "--folds", "3") == 0
    start = ("--initialize-from", str(first))
    assert _fit(data, second, *start, "--fold", "0", "--folds", "3") == 0
    for origin in (first, second):  # the second was started from the first: the line counts
        start = ("--initialize-from", str(origin), "--fold", "1", "--folds", "3")
        assert _fit(data, tmp_path / "run", *start) == 2
        message = capsys.readouterr().err
        assert "was trained with 2 of the patients that this run is evaluated on, such as case_" in message
        assert not (tmp_path / "run").exists()


def test_validation_patients_who_trained_an_earlier_start_are_refused(dataset, tmp_path, capsys):
    """The second trains with one patient, who validates in one of the folds only."""
    data, first, second = _without_own_split(dataset), tmp_path / "first", tmp_path / "second"
    folds = ("--folds", "3", "--fold")
    assert _fit(data, first, "--family", "deterministic", *folds, "0") == 0
    start = ("--initialize-from", str(first), "--train-patients", "1")
    assert _fit(data, second, *start, *folds, "0") == 0
    for fold in "12":
        assert _fit(data, tmp_path / "run", "--initialize-from", str(second), *folds, fold) == 2
        assert "of the patients that this run is evaluated on" in capsys.readouterr().err


def test_leakage_is_found_from_every_folder(dataset, tmp_path, monkeypatch, capsys):
    data, first = _without_own_split(dataset), Path("first")
    monkeypatch.chdir(data)
    assert _fit(Path("."), tmp_path / "first", "--fold", "0", "--folds", "3") == 0
    monkeypatch.chdir(tmp_path)
    assert _fit(data, Path("second"), "--initialize-from", str(first), "--fold", "0", "--folds", "3") == 0
    shutil.move(tmp_path / "second", tmp_path / "deeper" / "second")
    monkeypatch.chdir(tmp_path / "deeper")
    start = ("--initialize-from", "second", "--fold", "1", "--folds", "3")
    assert _fit(data, tmp_path / "run", *start) == 2
    assert "first: was trained with 2 of the patients" in capsys.readouterr().err.replace("second:", "first:")


def test_two_runs_that_were_started_from_each_other_end_the_search(dataset, origin, tmp_path):
    second, start = tmp_path / "second", ("--initialize-from", str(tmp_path / "second"))
    assert _fit(dataset, second, "--initialize-from", str(origin)) == 0
    shutil.rmtree(origin)
    assert _fit(dataset, origin, *start) == 0
    assert _fit(dataset, tmp_path / "third", *start) == 0


def test_other_data_may_use_the_same_names(dataset, tmp_path):
    data, other = _without_own_split(dataset), tmp_path / "another hospital"
    shutil.copytree(data, other)
    assert _fit(data, tmp_path / "first", "--fold", "0", "--folds", "3") == 0
    start = ("--initialize-from", str(tmp_path / "first"), "--fold", "1", "--folds", "3")
    assert _fit(other, tmp_path / "run", *start) == 0
