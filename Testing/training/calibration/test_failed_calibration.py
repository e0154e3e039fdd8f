"""A model that is far from calibrated, by the commands of a user: calibrate, then segment with the result."""

from __future__ import annotations

import json
import math
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hand_made_bundles import model_content, structure
from matplotlib.image import imread

from trustseg_training.cli import main as train
from TrustSegLib.bundle import ModelDescription, load_bundle, save_bundle
from TrustSegLib.cli import main as trustseg
from TrustSegLib.networks import NetworkSpec, build

SHAPE = (22, 24, 26)
RAW_ERROR = 0.45
SPEC = NetworkSpec(classes=2, filters=(4,), convolutions=1)
CONTENT = model_content(
    SPEC,
    (24, 24, 24),
    name="guess",
    description="A network that was never trained.",
    structures=[structure(1, "Ball", 230, 159, 0)],
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Ten validation patients with a ball that the image does not show."""
    folder = tmp_path_factory.mktemp("data")
    for index in range(11):
        generator = np.random.default_rng(index)
        grid = np.stack(np.meshgrid(*(np.arange(size) - size / 2 for size in SHAPE), indexing="ij"))
        ball = (grid**2).sum(0) < generator.uniform(5, 7) ** 2
        image = generator.normal(0, 1, SHAPE)
        for name, array in (("imagesTr", image.astype(np.float32)), ("labelsTr", ball.astype(np.uint8))):
            (folder / name).mkdir(exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / name / f"case_{index}.nii.gz"))
    rows = [f"case_{index},{'val' if index else 'train'}" for index in range(11)]
    (folder / "splits.csv").write_text("\n".join(["case,split", *rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory) -> Path:
    """It finds nothing in any image and is as unsure of each voxel; with what was printed in `said.txt`."""
    torch.manual_seed(0)
    state = build(SPEC).state_dict()
    state["body.head.weight"] *= 0
    state["body.head.bias"] = torch.tensor([math.log(1 / RAW_ERROR - 1), 0.0])
    folder = tmp_path_factory.mktemp("bundles")
    save_bundle(folder / "raw", ModelDescription.from_dict(CONTENT), state, "# Guess\n")
    options = ["--data", str(data), "--device", "cpu", "--conditions", "clean"]
    with (folder / "said.txt").open("w", encoding="utf-8") as said, redirect_stdout(said):
        assert train(["calibrate", str(folder / "raw"), *options, "-o", str(folder / "calibrated")]) == 0
    return folder / "calibrated"


@pytest.fixture
def segmented(bundle, data, tmp_path, capsys) -> SimpleNamespace:
    """What `trustseg segment` says and writes."""
    image = data / "imagesTr" / "case_1.nii.gz"
    assert trustseg(["segment", str(image), "-o", str(tmp_path / "out"), "--model", str(bundle)]) == 0
    folder = tmp_path / "out"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    page = (folder / "report.html").read_text(encoding="utf-8")
    return SimpleNamespace(console=capsys.readouterr().out, report=report, page=page, folder=folder)


def test_map_and_expected_dsc_failed_in_the_calibration(bundle):
    content = load_bundle(bundle).calibration()
    part = content["error_probability"]
    assert not part["check"]["passed"]
    assert 0.1 < part["ece_after"] <= part["ece_before"]
    assert content["volumes"][0]["check"]["passed"]
    assert "quality" not in content
    said = "Not calibrated: the error map (ECE 1"
    card = load_bundle(bundle).card()
    assert said in card
    assert "are found on the map that people see" in card
    assert "Curve: " in card
    printed = (bundle.parent / "said.txt").read_text(encoding="utf-8")
    assert said in printed
    assert "curve that is used: " in printed


def test_console_report_page_and_picture_say_what_is_not_calibrated(segmented):
    statement = segmented.report["calibration_statement"]
    assert statement.startswith("Not calibrated: the error map (ECE 1")
    assert "and the expected DSC of Ball (not fitted)." in statement
    assert segmented.console.rstrip().endswith(statement)
    assert "uncertainty calibrated in part" in segmented.console
    assert "mean uncertainty (raw)" in segmented.console
    assert f"<li>{statement}</li>" in segmented.page
    assert "Uncertainty, raw (not calibrated)" in segmented.page
    assert "Error probability" not in segmented.page
    (entry,) = segmented.report["maps"]
    assert (entry["title"], entry["unit"]) == ("Uncertainty, raw (not calibrated)", "raw, not calibrated")
    assert segmented.report["calibration"]["error_probability"] is None
    assert segmented.report["structures"][0]["volume_interval_ml"] is not None
    assert count_color(segmented.folder / "overlay.png", (255, 180, 84)) > 100, "the note of the picture"


def test_map_is_the_raw_one(segmented):
    """Not even the failed curve is in it."""
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(segmented.folder / "uncertainty.nii.gz")))
    assert values == pytest.approx(RAW_ERROR, abs=0.02)


def test_structure_whose_interval_failed_has_none(bundle, data, tmp_path, capsys):
    source = load_bundle(bundle)
    content = source.calibration()
    content["volumes"][0].update(coverage=0.71)
    del content["volumes"][0]["check"]  # as of an earlier version: its record is enough
    weights = source.network().state_dict()
    save_bundle(tmp_path / "failed", source.description, weights, source.card(), content)
    image = data / "imagesTr" / "case_1.nii.gz"
    output = tmp_path / "out"
    assert trustseg(["segment", str(image), "-o", str(output), "--model", str(tmp_path / "failed")]) == 0
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert report["structures"][0]["volume_interval_ml"] is None
    said = "the volume interval of Ball (covers 71 % on patients left out)"
    printed = capsys.readouterr().out
    assert said in report["calibration_statement"]
    assert said in printed
    assert "uncertainty not calibrated" in printed
    assert "interval (ml)" not in printed


def count_color(path: Path, color: tuple[int, int, int]) -> int:
    pixels = np.round(imread(path)[..., :3] * 255).astype(int)
    return int((np.abs(pixels - color).max(axis=-1) <= 8).sum())
