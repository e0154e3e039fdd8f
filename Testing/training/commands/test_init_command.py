"""`trustseg-train init`: from a folder of images to a configuration that trains."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.config.yaml_file import load


def _init(data: Path, output: Path, *more: str) -> int:
    return main(["init", str(data), "-o", str(output), *more])


def test_written_configuration_trains_as_it_is(dataset, tmp_path):
    path = tmp_path / "c.yaml"
    assert _init(dataset, path) == 0
    quick = ["--epochs", "1", "--filters", "4", "8", "--accelerator", "cpu", "--batch-size", "2"]
    assert main(["fit", "--config", str(path), "-o", str(tmp_path / "run"), *quick]) == 0
    assert (tmp_path / "run" / "best.ckpt").is_file()
    assert FitConfiguration.load(tmp_path / "run").patch == load(path).patch


def test_same_data_give_the_same_file_and_every_setting_stands_in_it(dataset, tmp_path):
    first, again = tmp_path / "a.yaml", tmp_path / "b.yaml"
    assert _init(dataset, first) == 0
    assert _init(dataset, again) == 0
    assert first.read_bytes() == again.read_bytes()
    written = [line.split(":")[0] for line in first.read_text().splitlines() if line and line[0] != "#"]
    assert written == [field.name for field in fields(FitConfiguration)]


def test_file_describes_the_data(dataset, tmp_path):
    assert _init(dataset, tmp_path / "c.yaml") == 0
    text = (tmp_path / "c.yaml").read_text()
    assert "# Images: 6 of 6 patients; split of the data: train 4, val 2" in text
    assert "# Size in voxels, lowest/median/highest: 18/18/18 | 16/16/16 | 14/14/14 (x | y | z)" in text
    assert "1 Structure 1: in 6 images" in text
    assert "# Memory of a training step, estimated: " in text
    assert max(map(len, text.splitlines())) <= 200


@pytest.mark.parametrize("name", ["our-3d", "hippocampus"])
def test_preset_holds_and_the_data_choose_the_rest(dataset, tmp_path, name):
    assert _init(dataset, tmp_path / "c.yaml", "--preset", name) == 0
    configuration = load(tmp_path / "c.yaml")
    flat = name == "hippocampus"
    assert configuration.dimensions == (2 if flat else 3)
    assert configuration.patch == ((64, 64, 1) if flat else (18, 16, 14))
    assert configuration.objective == ("gaussian_nll" if flat else "expected")
    assert f"# Preset {name}:" in (tmp_path / "c.yaml").read_text()


def test_every_bad_file_is_named_and_nothing_is_written(dataset, tmp_path, capsys):
    (dataset / "labelsTr" / "case_4.nii.gz").unlink()
    flat = sitk.GetImageFromArray(np.zeros((14, 16, 18), np.float32))
    for name in ("case_0", "case_3"):
        sitk.WriteImage(flat, str(dataset / "imagesTr" / f"{name}.nii.gz"))
    assert _init(dataset, tmp_path / "c.yaml") == 2
    error = capsys.readouterr().err
    assert "case_4.nii.gz: not found" in error
    for name in ("case_0", "case_3"):
        assert f"{name}.nii.gz: the image is empty" in error
    assert not (tmp_path / "c.yaml").exists()


def test_existing_file_is_kept(dataset, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("mine")
    assert _init(dataset, tmp_path / "c.yaml") == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "c.yaml").read_text() == "mine"


def test_labels_without_any_structure_are_refused(dataset, tmp_path, capsys):
    for path in (dataset / "labelsTr").iterdir():
        sitk.WriteImage(sitk.Image(18, 16, 14, sitk.sitkUInt8), str(path))
    assert _init(dataset, tmp_path / "c.yaml") == 2
    assert "no image has a structure" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--memory", "0"), ("--memory", "nan")])
def test_invalid_memory_is_refused(dataset, tmp_path, capsys, option, value):
    assert _init(dataset, tmp_path / "c.yaml", option, value) == 2
    assert "memory" in capsys.readouterr().err
