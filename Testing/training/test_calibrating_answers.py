"""What is kept of a model's answers, and the way of a calibration into a run and its bundles."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from trustseg_training.bundles.calibration_section import TITLE, with_section
from trustseg_training.calibrating import answers as answering
from trustseg_training.calibrating import collect_answers, conditions_of
from trustseg_training.calibrating.answers import compare
from trustseg_training.cli import main
from trustseg_training.judging import load_subject, read_fit
from trustseg_training.judging.near_voxels import near_mask
from TrustSegLib.bundle import load_bundle
from TrustSegLib.imaging import read_labels, read_volume
from TrustSegLib.inference import SegmentOptions, segment

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--epochs", "1"]


@pytest.fixture
def many(dataset) -> Path:
    """Two training and ten validation patients: those of the data set, and again with more noise."""
    generator = np.random.default_rng(0)
    for index in range(6, 12):
        old, new = f"case_{index - 6}.nii.gz", f"case_{index}.nii.gz"
        image = sitk.ReadImage(str(dataset / "imagesTr" / old))
        noise = generator.normal(0, 10, image.GetSize()[::-1]).astype(np.float32)
        sitk.WriteImage(image + sitk.GetImageFromArray(noise), str(dataset / "imagesTr" / new))
        shutil.copy(dataset / "labelsTr" / old, dataset / "labelsTr" / new)
    rows = [f"case_{index},{'train' if index < 2 else 'val'}" for index in range(12)]
    (dataset / "splits.csv").write_text("\n".join(["case,split", *rows]) + "\n")
    return dataset


@pytest.fixture
def run(many, tmp_path) -> Path:
    """A run of one epoch."""
    assert main(["fit", str(many), "-o", str(tmp_path / "run"), *OPTIONS]) == 0
    return tmp_path / "run"


def test_answer_holds_what_the_segmentation_said_and_what_was_true(many, run):
    subject = load_subject(run)
    (clean, noisy) = collect_answers(subject, many, conditions_of(["gaussian-0dB"]), cases=1)
    case = clean.case
    assert (clean.patient, clean.case, clean.condition) == (case, case, "clean")
    assert noisy.condition == "gaussian-0dB"
    image = read_volume(many / "imagesTr" / f"{case}.nii.gz")
    truth = read_labels(many / "labelsTr" / f"{case}.nii.gz").array[0]
    result = segment(image, subject.model, SegmentOptions(device="cpu"))
    prediction, raw = result.labels.array[0], result.maps["error_probability"].array[0]
    for scores in result.scores:
        mask, own = prediction == scores.label, truth == scores.label
        answer = clean.structures[scores.label]
        assert answer.scores["boundary_uncertainty"] == scores.boundary_uncertainty
        assert answer.scores["volume_ml"] == pytest.approx(mask.sum() / 1000)
        assert answer.true_volume_ml == pytest.approx(own.sum() / 1000)
        assert answer.dsc == pytest.approx(2 * (mask & own).sum() / (mask.sum() + own.sum()))
    assert clean.image.count.sum() == truth.size
    assert clean.image.wrong.sum() == clean.near.wrong.sum() == (prediction != truth).sum()
    assert clean.image.raw_sum.sum() == pytest.approx(raw.sum(), rel=1e-5)
    assert clean.near.count.sum() == near_mask(truth, prediction).sum()
    assert noisy.image.raw_sum.sum() != clean.image.raw_sum.sum()


def test_processes_answer_as_one_does(many, run):
    subject, corruptions = load_subject(run), conditions_of(["speckle-4dB"])
    alone, shared = (collect_answers(subject, many, corruptions, 2, jobs, "cpu") for jobs in (1, 2))
    assert [(a.case, a.condition) for a in alone] == [(a.case, a.condition) for a in shared]
    for one, other in zip(alone, shared, strict=True):
        assert one.structures[1].scores == pytest.approx(other.structures[1].scores, rel=1e-4)
        assert one.structures[1].dsc == other.structures[1].dsc


def test_label_files_with_other_values_are_compared_as_the_network_names_them(many, run):
    result = segment(
        read_volume(many / "imagesTr" / "case_2.nii.gz"),
        load_subject(run).model,
        SegmentOptions(device="cpu"),
    )
    truth = result.labels.array[0]
    answer = compare(result, truth, ("p", "c"), "clean")
    assert answer.image.wrong.sum() == 0
    seen = []
    subject = replace(load_subject(run), label_map={1: 2, 2: 1})
    label = result.labels
    for each in answering.answers(
        subject, read_volume(many / "imagesTr" / "case_2.nii.gz"), label, ("p", "c"), ()
    ):
        seen.append(each)
    assert seen[0].structures[1].true_volume_ml == pytest.approx((truth == 2).sum() / 1000)


def test_calibration_goes_into_the_run_and_from_there_into_the_bundle_and_its_card(
    run, details, tmp_path, capsys
):
    assert main(["calibrate", str(run), "--device", "cpu", "--conditions", "gaussian-0dB"]) == 0
    said = capsys.readouterr().out
    assert "20 images of 10 patients under 2 conditions" in said
    assert "ECE within 3 voxels" in said
    written = read_fit(run)
    assert written["temperature"] > 0
    content = written["calibration"]
    assert content["record"]["conditions"] == ["clean", "gaussian-0dB"]
    assert {"error_probability", "volumes"} <= set(content)
    command = ["export", str(run), "-o", str(tmp_path / "bundle"), "--details", str(details)]
    assert main(command) == 0
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.calibration() == content
    card = bundle.card()
    assert card.count(TITLE) == 1
    assert "20 images of 10 validation patients" in card
    assert f"{content['error_probability']['ece_after']:.3f}" in card


def test_bundle_gets_a_calibrated_copy_that_was_fitted_on_raw_answers(run, many, details, tmp_path, capsys):
    bundle, first, second = (tmp_path / name for name in ("bundle", "first", "second"))
    assert main(["export", str(run), "-o", str(bundle), "--details", str(details)]) == 0
    assert load_bundle(bundle).calibration() is None
    assert "None: there are no intervals" in load_bundle(bundle).card()
    options = ["--data", str(many), "--device", "cpu", "--conditions", "gaussian-0dB"]
    assert main(["calibrate", str(bundle), *options, "-o", str(first)]) == 0
    assert main(["calibrate", str(first), *options, "-o", str(second)]) == 0
    one, other = load_bundle(first), load_bundle(second)
    assert one.calibration() == other.calibration()
    assert one.card().count(TITLE) == other.card().count(TITLE) == 1
    assert "None: there are no intervals" not in one.card()
    before, after = load_bundle(bundle).network().state_dict(), one.network().state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert one.metrics() == load_bundle(bundle).metrics()
    result = segment(read_volume(many / "imagesTr" / "case_2.nii.gz"), one, SegmentOptions(device="cpu"))
    low, high = result.structures[0].volume_interval_ml
    assert 0 <= low < high


def test_what_is_missing_for_a_bundle_or_too_much_for_a_run_is_said(tmp_path, many, capsys):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "model.json").write_text("{}")
    (tmp_path / "run").mkdir()
    for command, reason in (
        ([str(tmp_path / "bundle"), "--data", str(many)], "needs --data, and --output"),
        ([str(tmp_path / "run"), "-o", str(tmp_path / "new")], "leave out --output"),
        ([str(tmp_path / "run"), "--jobs", "0"], "give 1 or more"),
        (["hippocampus-t1", "--data", str(many), "-o", str(tmp_path / "run")], "exists already"),
    ):
        assert main(["calibrate", *command]) == 2
        assert reason in capsys.readouterr().err


def test_section_takes_the_place_of_the_old_one():
    card = "# A\n\n## Limits\n\nx\n\n## Calibration\n\nold\n\n## License\n\ny\n"
    new = f"{TITLE}\n\nnew"
    assert with_section(card, new) == card.replace("old", "new")
    without = card.replace("## Calibration\n\nold\n\n", "")
    assert with_section(without, new) == card.replace("old", "new")
    assert with_section("# A\n", new) == f"# A\n\n{new}\n"
    assert with_section(f"# A\n\n{TITLE}\n\nold\n", new) == f"# A\n\n{new}\n"
