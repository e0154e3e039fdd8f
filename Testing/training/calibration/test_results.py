"""What is kept of a model's results, and the way of a calibration into a run and its bundles."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from trustseg_training.calibration import Fitted, collect_results, conditions_of, with_input
from trustseg_training.calibration.results import compare, image_results
from trustseg_training.cli import main
from trustseg_training.evaluation import load_evaluated_model, read_fit
from trustseg_training.export import recalibrated
from trustseg_training.export.calibration import TITLE, with_section
from trustseg_training.metrics.neighborhood import near_structures
from TrustSegLib.bundle import load_bundle
from TrustSegLib.imaging import read_labels, read_volume
from TrustSegLib.inference import SegmentOptions, segment

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "18", "18", "18"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--epochs", "1"]


def _write_case(data: Path, index: int) -> None:
    """A bright ball with two halves in noise, in fewer voxels than `dataset` has."""
    generator = np.random.default_rng(index)
    grid = np.stack(np.meshgrid(*(np.arange(size) - size / 2 for size in (9, 10, 12)), indexing="ij"))
    ball = ((grid - generator.uniform(-1, 1, (3, 1, 1, 1))) ** 2).sum(0) < 3.5**2
    label = np.where(ball, np.where(grid[2] > 0, 1, 2), 0)
    image = 100 * ball + 50 * (label == 1) + generator.normal(0, 10, ball.shape)
    for folder, array in (("imagesTr", image.astype(np.float32)), ("labelsTr", label.astype(np.uint8))):
        (data / folder).mkdir(exist_ok=True)
        sitk.WriteImage(sitk.GetImageFromArray(array), str(data / folder / f"case_{index}.nii.gz"))


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Two training and ten validation patients."""
    data = tmp_path_factory.mktemp("data")
    for index in range(12):
        _write_case(data, index)
    rows = [f"case_{index},{'train' if index < 2 else 'val'}" for index in range(12)]
    (data / "splits.csv").write_text("\n".join(["case,split", *rows]) + "\n")
    return data


@pytest.fixture(scope="module")
def trained(many, tmp_path_factory) -> Path:
    """A run of one epoch."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["fit", str(many), "-o", str(run), *OPTIONS]) == 0
    return run


@pytest.fixture(scope="module")
def fitted(trained, tmp_path_factory) -> Path:
    """A calibrated run, not to be changed, with what was printed in `said.txt`."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("fitted") / "run")
    command = ["calibrate", str(run), "--device", "cpu", "--conditions", "gaussian-0dB", "--modality", "mr"]
    with (run / "said.txt").open("w", encoding="utf-8") as said, redirect_stdout(said):
        assert main(command) == 0
    return run


def _export(run: Path, bundle: Path, details: Path) -> int:
    return main(["export", str(run), "-o", str(bundle), "--details", str(details)])


def test_result_has_the_scores_of_the_segmentation_and_the_truth(many, trained):
    evaluated = load_evaluated_model(trained)
    (clean, noisy) = collect_results(evaluated, many, conditions_of(["gaussian-0dB"]), cases=1)
    case = clean.case
    assert (clean.patient, clean.case, clean.condition) == (case, case, "clean")
    assert noisy.condition == "gaussian-0dB"
    image = read_volume(many / "imagesTr" / f"{case}.nii.gz")
    truth = read_labels(many / "labelsTr" / f"{case}.nii.gz").array[0]
    segmented = segment(image, evaluated.model, SegmentOptions(device="cpu"))
    prediction, raw = segmented.labels.array[0], segmented.maps["error_probability"].array[0]
    for scores in segmented.scores:
        mask, own = prediction == scores.label, truth == scores.label
        result = clean.structures[scores.label]
        assert result.scores["boundary_uncertainty"] == scores.boundary_uncertainty
        assert result.scores["volume_ml"] == pytest.approx(mask.sum() / 1000)
        assert result.true_volume_ml == pytest.approx(own.sum() / 1000)
        assert result.dsc == pytest.approx(2 * (mask & own).sum() / (mask.sum() + own.sum()))
    assert clean.image.count.sum() == truth.size
    assert clean.image.wrong.sum() == clean.near.wrong.sum() == (prediction != truth).sum()
    assert clean.image.raw_sum.sum() == pytest.approx(raw.sum(), rel=1e-5)
    assert clean.near.count.sum() == near_structures(truth, prediction).sum()
    assert noisy.image.raw_sum.sum() != clean.image.raw_sum.sum()


def test_results_of_several_processes_equal_those_of_one(many, trained):
    evaluated, corruptions = load_evaluated_model(trained), conditions_of([])
    alone, shared = (collect_results(evaluated, many, corruptions, 2, jobs, "cpu") for jobs in (1, 2))
    assert [(a.case, a.condition) for a in alone] == [(a.case, a.condition) for a in shared]
    for one, other in zip(alone, shared, strict=True):
        assert one.structures[1].scores == pytest.approx(other.structures[1].scores, rel=1e-4)
        assert one.structures[1].dsc == other.structures[1].dsc


def test_label_map_is_applied_to_label_files(many, trained):
    segmented = segment(
        read_volume(many / "imagesTr" / "case_2.nii.gz"),
        load_evaluated_model(trained).model,
        SegmentOptions(device="cpu"),
    )
    truth = segmented.labels.array[0]
    result = compare(segmented, truth, ("p", "c"), "clean")
    assert result.image.wrong.sum() == 0
    seen = []
    evaluated = replace(load_evaluated_model(trained), label_map={1: 2, 2: 1})
    label = segmented.labels
    for each in image_results(
        evaluated, read_volume(many / "imagesTr" / "case_2.nii.gz"), label, ("p", "c"), ()
    ):
        seen.append(each)
    assert seen[0].structures[1].true_volume_ml == pytest.approx((truth == 2).sum() / 1000)


def test_calibration_goes_into_the_run_and_from_there_into_bundle_and_card(fitted, details, tmp_path):
    said = (fitted / "said.txt").read_text(encoding="utf-8")
    assert "20 images of 10 patients under 2 conditions" in said
    assert "input check: 12 cases, false alarms " in said
    assert "ECE within 3 voxels" in said
    written = read_fit(fitted)
    assert written["temperature"] > 0
    content = written["calibration"]
    assert content["record"]["conditions"] == ["clean", "gaussian-0dB"]
    assert {"error_probability", "volumes", "input"} <= set(content)
    assert (content["input"]["cases"], content["input"]["modality"]) == (12, "MR")
    assert "dark" in content["input"]["facts"]
    assert _export(fitted, tmp_path / "bundle", details) == 0
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.calibration() == content
    card = bundle.card()
    assert card.count(TITLE) == 1
    assert "20 images of 10 validation patients" in card
    assert "compared with the 12 images of training and validation" in card
    assert f"{content['error_probability']['ece_after']:.3f}" in card


def test_calibrated_copy_of_a_bundle_is_fitted_on_raw_results(trained, many, details, tmp_path, capsys):
    bundle, first, second = (tmp_path / name for name in ("bundle", "first", "second"))
    assert _export(trained, bundle, details) == 0
    assert load_bundle(bundle).calibration() is None
    assert "None: there are no intervals" in load_bundle(bundle).card()
    options = ["--data", str(many), "--device", "cpu", "--conditions", "clean"]
    assert main(["calibrate", str(bundle), *options, "-o", str(first), "--modality", "CT"]) == 2
    assert "a bundle says its modality itself" in capsys.readouterr().err
    assert main(["calibrate", str(bundle), *options, "-o", str(first)]) == 0
    assert main(["calibrate", str(first), *options, "-o", str(second)]) == 0
    one, other = load_bundle(first), load_bundle(second)
    assert one.calibration() == other.calibration()
    assert one.card().count(TITLE) == other.card().count(TITLE) == 1
    assert "None: there are no intervals" not in one.card()
    before, after = load_bundle(bundle).network().state_dict(), one.network().state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert one.metrics() == load_bundle(bundle).metrics()
    assert one.calibration()["input"]["modality"] == "MR"
    result = segment(read_volume(many / "imagesTr" / "case_2.nii.gz"), one, SegmentOptions(device="cpu"))
    low, high = result.structures[0].volume_interval_ml
    assert 0 <= low < high


def test_missing_options_of_a_bundle_and_wrong_ones_of_a_run_are_named(tmp_path, many, capsys):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "model.json").write_text("{}")
    (tmp_path / "run").mkdir()
    for command, reason in (
        ([str(tmp_path / "bundle"), "--data", str(many)], "needs --data, and --output"),
        ([str(tmp_path / "run"), "-o", str(tmp_path / "new")], "leave out --output"),
        ([str(tmp_path / "run"), "--jobs", "0"], "give 1 or more"),
        ([str(tmp_path / "run"), "--modality", "x-ray"], "--modality X-RAY: give DICOM's letters"),
        (["hippocampus-t1", "--data", str(many), "-o", str(tmp_path / "run")], "exists already"),
    ):
        assert main(["calibrate", *command]) == 2
        assert reason in capsys.readouterr().err


def test_export_as_another_modality_than_calibrated_is_refused(fitted, details, tmp_path, capsys):
    described = json.loads(details.read_text())
    details.write_text(json.dumps({**described, "modality": "CT"}))
    assert _export(fitted, tmp_path / "ct", details) == 2
    assert "modality CT, but the run was calibrated as MR; repeat" in capsys.readouterr().err
    assert not (tmp_path / "ct").exists()
    run = shutil.copytree(fitted, tmp_path / "run")
    content = json.loads((run / "calibration.json").read_text())
    content["calibration"]["input"]["modality"] = "OT"
    (run / "calibration.json").write_text(json.dumps(content))
    assert _export(run, tmp_path / "ct", details) == 2
    details.write_text(json.dumps({**described, "modality": "PT"}))
    assert _export(run, tmp_path / "pt", details) == 0


def test_exported_bundle_warns_of_an_image_unlike_the_training(fitted, many, details, tmp_path):
    assert _export(fitted, tmp_path / "bundle", details) == 0
    bundle, options = load_bundle(tmp_path / "bundle"), SegmentOptions(device="cpu")
    image = read_volume(many / "imagesTr" / "case_0.nii.gz")
    far = replace(image, spacing=(2.0, 2.0, 2.0))
    first = "unlike what this model was trained on: "
    assert first + "field of view 24 x 20 x 18 mm" in " ".join(segment(far, bundle, options).case.warnings)
    assert not any("field of view" in warning for warning in segment(image, bundle, options).case.warnings)


def test_recalibrated_bundle_has_only_its_new_calibration(fitted, details, tmp_path):
    assert _export(fitted, tmp_path / "bundle", details) == 0
    content = {name: load_bundle(tmp_path / "bundle").calibration()[name] for name in ("schema", "record")}
    metrics = recalibrated(tmp_path / "bundle", content, {"new": 1}, tmp_path / "new").metrics()
    assert (metrics["calibration"]["calibration"], metrics["calibration"]["figures"]) == (content, {"new": 1})
    assert metrics["calibration"]["temperature"] == read_fit(fitted)["temperature"]


def test_input_is_left_out_with_the_reason(trained, many, tmp_path):
    record = {"data": "d", "patients": 1, "conditions": [], "cases": 1, "folds": 1}
    nothing, evaluated = Fitted(record, None, {}, ("a",)), load_evaluated_model(trained)
    alone = with_input(nothing, evaluated, many)
    assert set(alone.content) == {"schema", "record", "input"}
    assert alone.content["input"]["modality"] == "OT"
    assert alone.left_out == ("a",)
    few = shutil.copytree(many, tmp_path / "few")
    (few / "splits.csv").write_text("case,split\n" + "".join(f"case_{i},val\n" for i in range(12)))
    bundle = replace(evaluated, run=None)
    for reason in ("no patient has split train", "2 patients, at least 10"):
        fitted_again = with_input(nothing, bundle, few)
        assert fitted_again.content is None
        assert reason in fitted_again.left_out[-1]
        keep = ["case,split", "case_0,val", "case_1,train", *(f"case_{i},test" for i in range(2, 12))]
        (few / "splits.csv").write_text("\n".join(keep) + "\n")


def test_new_section_replaces_the_old_one():
    card = "# A\n\n## Limits\n\nx\n\n## Calibration\n\nold\n\n## License\n\ny\n"
    new = f"{TITLE}\n\nnew"
    assert with_section(card, new) == card.replace("old", "new")
    without = card.replace("## Calibration\n\nold\n\n", "")
    assert with_section(without, new) == card.replace("old", "new")
    assert with_section("# A\n", new) == f"# A\n\n{new}\n"
    assert with_section(f"# A\n\n{TITLE}\n\nold\n", new) == f"# A\n\n{new}\n"
