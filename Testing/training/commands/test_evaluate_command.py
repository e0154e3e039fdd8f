"""Judging runs and bundles on a data set: tables, summary, empty structures, sets; and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.evaluation import MEASURES
from trustseg_training.evaluation.evaluation import summarize
from TrustSegLib.bundle import load_bundle
from TrustSegLib.imaging import read_labels, read_volume
from TrustSegLib.inference import SegmentOptions, segment

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
CUTS = [(what, name) for what in ("cut", "union") for name in ("Left half", "Right half")]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--family", "deterministic"]


@pytest.fixture
def run(trained) -> Path:
    """A run that has learned something."""
    return trained(*OPTIONS, "--epochs", "8", "--learning-rate", "0.02")


def _evaluate(model: Path, dataset: Path, output: Path, *more: str) -> int:
    return main(["evaluate", str(model), "--data", str(dataset), "-o", str(output), "--device", "cpu", *more])


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "evaluation.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_evaluations_of_run_and_bundle_equal_the_result_of_segment(run, dataset, tmp_path):
    bundle = _export(run, tmp_path / "bundle", tmp_path)
    models = [str(run), str(bundle)]
    assert main(["evaluate", *models, "--data", str(dataset), "-o", str(tmp_path / "out")]) == 0
    rows = {name: _rows(tmp_path / "out" / name) for name in ("run", "bundle")}
    assert [{**row, "model": ""} for row in rows["run"]] == [{**row, "model": ""} for row in rows["bundle"]]
    assert [(row["case"], row["structure"]) for row in rows["run"]] == [
        (case, name) for case in ("case_4", "case_5") for name in ("Left half", "Right half")
    ]
    image = read_volume(dataset / "imagesTr" / "case_4.nii.gz")
    predicted = segment(image, load_bundle(bundle), SegmentOptions(device="cpu")).labels.array[0] == 1
    truth = read_labels(dataset / "labelsTr" / "case_4.nii.gz").array[0] == 1
    row = rows["run"][0]
    assert float(row["dice"]) == pytest.approx(
        2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())
    )
    assert float(row["dice"]) > 0.5
    assert float(row["volume_ml"]) == pytest.approx(predicted.sum() / 1000)
    assert float(row["volume_error_ml"]) == pytest.approx((predicted.sum() - truth.sum()) / 1000)


def _export(run: Path, bundle: Path, tmp_path: Path) -> Path:
    shipped = Path(__file__).parents[3] / "Training" / "models" / "hippocampus-t1.json"
    content = json.loads(shipped.read_text(encoding="utf-8"))
    for structure, name in zip(content["structures"], ("Left half", "Right half"), strict=True):
        structure["name"] = name
    shutil.copy(shipped.with_name(content["locator"]["atlas"]), tmp_path)
    (tmp_path / "details.json").write_text(json.dumps(content), encoding="utf-8")
    command = ["export", str(run), "-o", str(bundle), "--details", str(tmp_path / "details.json")]
    assert main(command) == 0
    return bundle


def test_summary_agrees_with_the_table(run, dataset, tmp_path):
    assert _evaluate(run, dataset, tmp_path / "out", "--split", "all") == 0
    rows = _rows(tmp_path / "out")
    assert len(rows) == 12
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert (written["model"], written["split"], written["data"]) == ("run", "all", dataset.name)
    left = [float(row["dice"]) for row in rows if row["structure"] == "Left half"]
    summary = written["summary"]["Left half"]["dice"]
    assert summary["mean"] == pytest.approx(np.mean(left))
    assert summary["std"] == pytest.approx(np.std(left, ddof=1))
    assert (summary["patients"], summary["missing"]) == (6, 0)
    assert set(written["summary"]["Left half"]) == set(MEASURES)
    apart, of_cases = written["union_and_cut"], written["union_and_cut_of_cases"]
    assert list(apart) == ["union of all", *(f"{name}, perfect {what}" for what, name in CUTS)]
    union = [row["dice"] for row in of_cases if row["structure"] == "union of all"]
    assert apart["union of all"]["dice"]["mean"] == pytest.approx(np.mean(union))
    assert len(of_cases) == 6 * len(apart)


def test_structure_in_no_image_is_evaluated_without_a_distance(run, dataset, tmp_path):
    for name in ("case_4", "case_5"):
        path = dataset / "labelsTr" / f"{name}.nii.gz"
        label = sitk.ReadImage(str(path))
        sitk.WriteImage(sitk.Cast(label == 1, sitk.sitkUInt8), str(path))
    assert _evaluate(run, dataset, tmp_path / "out") == 0
    right = [row for row in _rows(tmp_path / "out") if row["structure"] == "Right half"]
    assert {row["hd95_mm"] for row in right} == {""}
    assert {float(row["true_volume_ml"]) for row in right} == {0.0}
    assert all(float(row["dice"]) == float(float(row["volume_ml"]) == 0) for row in right)
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    distance = written["summary"]["Right half"]["hd95_mm"]
    assert (distance["mean"], distance["patients"], distance["missing"]) == (None, 0, 2)


def test_fold_is_evaluated_on_its_validation_patients(dataset, tmp_path):
    run = tmp_path / "fold"
    more = ["--fold", "0", "--folds", "3", "--epochs", "1"]
    assert main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more]) == 0
    with (run / "splits.csv").open(encoding="utf-8") as stream:
        own = {row["case"] for row in csv.DictReader(stream) if row["split"] == "val"}
    assert _evaluate(run, dataset, tmp_path / "out") == 0
    assert {row["case"] for row in _rows(tmp_path / "out")} == own != {"case_4", "case_5"}
    # A copy elsewhere names a split that this run did not have.
    shutil.copytree(dataset, tmp_path / "moved")
    assert _evaluate(run, tmp_path / "moved", tmp_path / "again") == 0
    assert {row["case"] for row in _rows(tmp_path / "again")} == own


def test_regions_and_label_values_of_the_run_are_used(dataset, tmp_path):
    """GroupValue on the ball as one structure, whose halves have two values in the files."""
    run = tmp_path / "ball"
    command = ["fit", str(dataset), "-o", str(run), *OPTIONS, "--epochs", "1", "--structures", "Ball"]
    more = ["--set", 'label_map={"1": 1, "2": 1}', "--set", 'regions={"Everything": [0, 1]}']
    assert main([*command, *more]) == 0
    assert _evaluate(run, dataset, tmp_path / "out") == 0
    rows = [row for row in _rows(tmp_path / "out") if row["case"] == "case_4"]
    truth = read_labels(dataset / "labelsTr" / "case_4.nii.gz").array
    assert float(rows[0]["true_volume_ml"]) == pytest.approx((truth > 0).sum() / 1000)
    assert (rows[1]["structure"], float(rows[1]["dice"])) == ("Everything", 1.0)


def test_a_patient_with_several_images_counts_once_in_the_summary():
    values = {"dice": 0.0, "hd95_mm": None}
    blank = dict.fromkeys(MEASURES, 0.0)
    rows = [{"patient": "a", "structure": "s", **blank, **values, "dice": dice} for dice in (0.2, 0.4)]
    rows.append({"patient": "b", "structure": "s", **blank, "dice": 0.9})
    summary = summarize(rows)["s"]
    assert summary["dice"]["mean"] == pytest.approx(0.6)
    assert (summary["hd95_mm"]["patients"], summary["hd95_mm"]["missing"]) == (1, 1)


def test_unusable_input_is_named(run, dataset, tmp_path, capsys):
    def message() -> str:
        return capsys.readouterr().err.strip().splitlines()[-1]

    assert _evaluate(tmp_path / "nothing", dataset, tmp_path / "out") == 2
    assert "neither a bundled model nor an added one nor a path" in message()
    assert _evaluate(run, dataset, tmp_path / "out", "--split", "test") == 2
    assert "no patient has split test" in message()
    models = [str(run), str(run)]
    assert main(["evaluate", *models, "--data", str(dataset), "-o", str(tmp_path / "out")]) == 2
    assert "two models are named run" in message()
    assert not (tmp_path / "out").exists()
    assert _evaluate(run, dataset, tmp_path / "out") == 0
    capsys.readouterr()
    assert _evaluate(run, dataset, tmp_path / "out") == 2
    assert "holds an evaluation already" in message()
    torch.save({}, run / "best.ckpt")
    assert _evaluate(run, dataset, tmp_path / "other") == 2
    assert "best.ckpt: not a checkpoint" in message()


def test_run_is_described_with_what_its_network_and_input_need(tmp_path):
    from trustseg_training.evaluation.evaluated_model import RunModel

    configuration = FitConfiguration(data="d", structures=("A", "B"), channels=("T1", "T2"), seed=4)
    description = RunModel(tmp_path, configuration, "0" * 64).description
    assert (description.channels, description.classes) == (("T1", "T2"), 3)
    assert description.patch_shape == configuration.patch_shape


def test_bundled_model_is_found_by_its_name(dataset, tmp_path):
    assert _evaluate(Path("hippocampus-t1"), dataset, tmp_path / "out") == 0
    assert {row["structure"] for row in _rows(tmp_path / "out")} == {
        "Anterior hippocampus",
        "Posterior hippocampus",
    }
