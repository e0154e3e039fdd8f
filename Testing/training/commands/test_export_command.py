"""What an exported bundle says and does, against the run that it comes from."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from trustseg_training.cli import _parser, main
from trustseg_training.commands.fit import settings
from trustseg_training.config import FitConfiguration
from trustseg_training.data import TRAINING_RECORD
from trustseg_training.data.augmented_families import TOUCHED
from trustseg_training.data.preprocessing import prepare
from trustseg_training.dataset import find_cases
from trustseg_training.export import command_line
from trustseg_training.export.exporting import summarize
from trustseg_training.metrics import dice
from trustseg_training.training import load_weights
from TrustSegLib.bundle import load_bundle
from TrustSegLib.imaging import Normalization, read_labels, read_volume
from TrustSegLib.inference import SegmentOptions, segment
from TrustSegLib.networks import build

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--epochs", "2"]
MEMBER = [*OPTIONS, "--family", "deterministic", "--epochs", "1"]


@pytest.fixture
def run(trained) -> Path:
    """A variational run of two epochs."""
    return trained(*OPTIONS)


def test_bundle_reproduces_the_checkpoint_and_its_table(run, details, dataset, tmp_path):
    assert main(["export", str(run), "-o", str(tmp_path / "bundle"), "--details", str(details)]) == 0
    bundle, configuration = load_bundle(tmp_path / "bundle"), FitConfiguration.load(run)
    network = build(configuration.network, "vdp", "exact").eval()
    network.load_state_dict(load_weights(run))
    case = next(case for case in find_cases(dataset) if case.split == "val")
    patch = prepare(case, configuration)["image"][None, :, :12, :16, :16]
    with torch.no_grad():
        expected, given = network.class_moments(patch), bundle.network().class_moments(patch)
    assert torch.equal(expected.mean, given.mean)
    assert torch.equal(expected.variance, given.variance)
    # `segment` starts from the file: had training prepared it otherwise, the table would not hold.
    result = segment(read_volume(case.images[0]), bundle, SegmentOptions(device="cpu"))
    truth = read_labels(case.label).array[0]
    rows = json.loads((tmp_path / "bundle" / "metrics.json").read_text())["validation_patients"]
    for label, name in ((1, "Left half"), (2, "Right half")):
        (row,) = (row for row in rows if (row["patient"], row["structure"]) == (case.name, name))
        measured = dice(result.labels.array[0] == label, truth == label)
        assert measured == pytest.approx(row["dice"], abs=1e-6)
    metrics = bundle.metrics()
    assert metrics[TRAINING_RECORD]["touched_families"] == sorted(TOUCHED[configuration.augmentation])
    union = metrics["union_and_cut"]["union of all"]
    assert f"| union of all | {union['dice_mean']:.3f} |" in bundle.card()


def test_structure_without_predictions_is_exported_without_a_distance(run, details, tmp_path, monkeypatch):
    weights = load_weights(run)
    weights["body.head.bias"][:] = torch.tensor([0.0, 0.0, -1e3])
    monkeypatch.setattr("trustseg_training.export.exporting.load_weights", lambda *_: weights)
    assert main(["export", str(run), "-o", str(tmp_path / "bundle"), "--details", str(details)]) == 0
    measured = json.loads((tmp_path / "bundle" / "metrics.json").read_text())["validation"]["Right half"]
    assert (measured["dice_mean"], measured["hd95_mm_mean"], measured["hd95_missing"]) == (0.0, None, 2)
    line = next(
        line
        for line in (tmp_path / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| Right half")
    )
    assert line.endswith("| \N{EN DASH} |")


def test_command_of_the_card_makes_the_same_configuration():
    configuration = FitConfiguration(
        data="data",
        structures=("Left half", "B"),
        family="deterministic",
        filters=(4, 8),
        spacing=(0.5, 1.0, 2.0),
        patch=(16, 24, 32),
        seed=3,
        learning_rate=1e-3,
        gradient_clip=None,
        ema=0.99,
        class_weights=(0.5, 1.0, 2.0),
        family_options={"temperature": 2.0},
        label_map={1: 1, 7: 2},
        regions={"whole": (1, 2)},
        normalization=Normalization("window", lower=-100.0, upper=200.0),
    )
    words = shlex.split(command_line(configuration))
    assert words[0] == "trustseg-train"
    assert FitConfiguration(**settings(_parser().parse_args(words[1:]))) == configuration


@pytest.mark.parametrize(("family", "present"), [("vdp", True), ("deterministic", False)])
def test_command_of_the_card_has_options_of_random_weights_only_for_families_with_some(family, present):
    configuration = FitConfiguration(
        data="data", structures=("A",), family=family, kl_weight=0.5, variance_learning_rate=None
    )
    command = command_line(configuration)
    assert ("--kl-weight 0.5" in command, "--variance-learning-rate none" in command) == (present, present)


def _with_a_key(content):
    content["licence"] = "MIT"


def _without_color(content):
    del content["structures"][0]["color"]


def _without_fields(content):
    del content["locator"]["fields_of_view"]


def _other_structure(content):
    content["structures"][0]["name"] = "Something else"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with_a_key, "may have the keys"),
        (_without_color, "structure not complete"),
        (_without_fields, "locator not complete"),
        (_other_structure, "structures differ from those of the run"),
    ],
)
def test_details_that_do_not_fit_are_named(run_folder, details, tmp_path, capsys, change, message):
    content = json.loads(details.read_text(encoding="utf-8"))
    change(content)
    details.write_text(json.dumps(content), encoding="utf-8")
    assert main(["export", str(run_folder), "-o", str(tmp_path / "bundle"), "--details", str(details)]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "bundle").exists()


def test_missing_atlas_of_the_locator_is_named_before_the_evaluation(run_folder, details, tmp_path, capsys):
    (atlas,) = tmp_path.glob("*.nii.gz")
    atlas.unlink()
    assert main(["export", str(run_folder), "-o", str(tmp_path / "bundle"), "--details", str(details)]) == 2
    error = capsys.readouterr().err.strip()
    assert f"{atlas}: the atlas cannot be read" in error
    assert len(error.splitlines()) == 1


def test_locator_of_the_details_is_exported_with_its_atlas_and_attribution(run, details, tmp_path):
    assert main(["export", str(run), "-o", str(tmp_path / "bundle"), "--details", str(details)]) == 0
    bundle = load_bundle(tmp_path / "bundle")
    assert [field.name for field in bundle.description.locator.fields_of_view] == ["Left", "Right"]
    assert bundle.atlas().array.any()
    assert "McConnell Brain Imaging Centre" in bundle.card()


@pytest.fixture
def run_folder(tmp_path) -> Path:
    """A run that was only configured."""
    folder = tmp_path / "configured"
    folder.mkdir()
    FitConfiguration(data=str(tmp_path), structures=("Left half", "Right half")).save(folder)
    return folder


def test_export_refuses_a_bundle_that_exists_and_a_folder_without_a_run(
    run_folder, details, tmp_path, capsys
):
    (tmp_path / "bundle").mkdir()
    command = ["export", str(run_folder), "-o", str(tmp_path / "bundle"), "--details", str(details)]
    assert main(command) == 2
    assert "bundle: exists already" in capsys.readouterr().err
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "new"), "--details", str(details)]) == 2
    assert "no training run" in capsys.readouterr().err
    assert main(["export", str(run_folder), "-o", str(tmp_path / "new"), "--details", str(details)]) == 2
    assert "best.ckpt: not found" in capsys.readouterr().err


def test_standard_deviation_is_over_patients():
    rows = [
        {"patient": str(score), "structure": "s", "dice": score, "hd95_mm": 1.0} for score in (0.7, 0.8, 0.9)
    ]
    assert summarize(rows)["s"]["dice_std"] == pytest.approx(np.std([0.7, 0.8, 0.9], ddof=1))
    assert summarize(rows)["s"]["dice_min"] == 0.7


def _join(members: list[Path], bundle: Path, details: Path) -> int:
    names = [str(member) for member in members]
    return main(["export", "--members", *names, "-o", str(bundle), "--details", str(details)])


def test_members_become_an_ensemble_whose_table_is_its_own(trained, dataset, details, tmp_path):
    members = [trained(*MEMBER, "--seed", str(seed), name=f"m{seed}") for seed in (1, 2, 3)]
    assert _join(members, tmp_path / "bundle", details) == 0
    bundle = load_bundle(tmp_path / "bundle")
    assert (bundle.description.family, dict(bundle.description.family_options)) == (
        "ensemble",
        {"members": 3},
    )
    configuration = FitConfiguration.load(members[0])
    patch = torch.randn(1, 1, 16, 16, 16)
    singles = []
    for member in members:
        network = build(configuration.network, "deterministic").eval()
        network.load_state_dict(load_weights(member))
        with torch.no_grad():
            singles.append(network.class_moments(patch).mean)
    with torch.no_grad():
        together = bundle.network().class_moments(patch)
    torch.testing.assert_close(together.mean, torch.stack(singles).mean(0))
    rows = bundle.metrics()["validation_patients"]
    case = next(case for case in find_cases(dataset) if case.split == "val")
    predicted = segment(read_volume(case.images[0]), bundle, SegmentOptions(device="cpu")).labels.array[0]
    truth = read_labels(case.label).array[0]
    assert dice(predicted == 1, truth == 1) == pytest.approx(rows[0]["dice"], abs=1e-6)
    card = bundle.card()
    assert "`ensemble` of 3 `deterministic` members" in card
    assert all(f"--seed {seed}" in card for seed in (2, 3))
    assert bundle.description.training.command.count("trustseg-train fit") == 3


def test_runs_that_are_no_ensemble_are_named(run, trained, details, tmp_path, capsys):
    first = trained(*MEMBER, "--seed", "1", name="first")
    others = {
        "same seed": trained(*MEMBER, "--seed", "1", name="a"),
        "another filters": trained(*MEMBER, "--seed", "2", "--filters", "4", "6", name="b"),
        "another family": run,
        "another fold": trained(*MEMBER, "--seed", "2", "--fold", "0", name="c"),
    }
    for message, other in others.items():
        assert _join([first, other], tmp_path / "bundle", details) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert message in error
    assert _join([run, run], tmp_path / "bundle", details) == 2
    assert "an ensemble has deterministic members" in capsys.readouterr().err
    table = others["same seed"] / "splits.csv"
    table.write_text(table.read_text().replace("case_0,case_0,train", "case_0,case_0,val"))
    assert _join([first, others["same seed"]], tmp_path / "bundle", details) == 2
    assert "trained on other patients" in capsys.readouterr().err
    for words in (["--members", str(first)], [str(first), "--members", str(first), str(run)], []):
        assert main(["export", *words, "-o", str(tmp_path / "bundle"), "--details", str(details)]) == 2
        assert "either one run, or two or more" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_without_details_the_bundle_is_that_of_the_run(run, dataset, tmp_path):
    assert main(["export", str(run), "-o", str(tmp_path / "my model")]) == 0
    known = load_bundle(tmp_path / "my model").description
    assert (known.name, known.channels, known.modality) == ("my-model", ("image",), "OT")
    assert [structure.name for structure in known.structures] == ["Left half", "Right half"]
    assert {structure.terminology.type.meaning for structure in known.structures} == {"Anatomical Structure"}
    assert known.training.data == dataset.name


def test_details_need_not_be_whole(run, details, tmp_path):
    details.write_text(json.dumps({"version": "2.0.0", "license": "MIT"}), encoding="utf-8")
    assert main(["export", str(run), "-o", str(tmp_path / "b"), "--details", str(details)]) == 0
    known = load_bundle(tmp_path / "b").description
    assert (known.name, known.version, known.license) == ("b", "2.0.0", "MIT")


def _two_images_each(dataset: Path) -> None:
    """The same six images, of three patients."""
    rows = (dataset / "splits.csv").read_text().split()[1:]
    named = [f"{row},p{index // 2}" for index, row in enumerate(rows)]
    (dataset / "splits.csv").write_text("\n".join(["case,split,patient", *named]))


def test_figures_and_counts_go_by_patient(dataset, tmp_path):
    _two_images_each(dataset)
    assert main(["fit", str(dataset), "-o", str(tmp_path / "run"), *OPTIONS]) == 0
    assert main(["calibrate", str(tmp_path / "run"), "--conditions", "clean", "--device", "cpu"]) == 0
    assert main(["export", str(tmp_path / "run"), "-o", str(tmp_path / "b")]) == 0
    content = json.loads((tmp_path / "run" / "calibration.json").read_text())
    assert (content["patients"], content["images"]) == (1, 2)
    bundle = load_bundle(tmp_path / "b")
    assert bundle.description.training.patients == {"train": 2, "validation": 1}
    summary = bundle.metrics()["validation"]["Left half"]
    assert (summary["patients"], summary["images"], summary["dice_std"]) == (1, 2, 0.0)
    rows = [row for row in bundle.metrics()["validation_patients"] if row["structure"] == "Left half"]
    assert {(row["patient"], row["case"]) for row in rows} == {("p2", "case_4"), ("p2", "case_5")}
    assert summary["dice_mean"] == pytest.approx(np.mean([row["dice"] for row in rows]))
    assert "1 validation patients (2 images; every patient counts once)" in bundle.card()


def test_bundle_knows_who_trained_it_by_name_and_by_label(run, dataset, tmp_path, capsys):
    assert main(["export", str(run), "-o", str(tmp_path / "b")]) == 0
    record = load_bundle(tmp_path / "b").metrics()["training_patients"]
    assert len(record["names"]) == len(record["labels"]) == 4
    table = dataset / "splits.csv"
    table.write_text(table.read_text().replace("case_0,train", "case_0,val"))
    command = ["evaluate", str(tmp_path / "b"), "-o", str(tmp_path / "e"), "--device", "cpu", "--data"]
    assert main([*command, str(dataset)]) == 2
    assert "was trained with 1 of the patients" in capsys.readouterr().err
    renamed = tmp_path / "other"
    for folder in ("imagesTr", "labelsTr"):
        (renamed / folder).mkdir(parents=True)
        for path in (dataset / folder).iterdir():
            (renamed / folder / f"new_{path.name}").write_bytes(path.read_bytes())
    (renamed / "splits.csv").write_text(table.read_text().replace("case_", "new_case_"))
    assert main([*command, str(renamed)]) == 2
    assert "such as new_case_0" in capsys.readouterr().err
    table.write_text(table.read_text().replace("case_0,val", "case_0,train"))
    assert main([*command, str(dataset)]) == 0
