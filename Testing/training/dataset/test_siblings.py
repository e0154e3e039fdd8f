"""Images that look like parts of one scan."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from trustseg_training.cli import main
from trustseg_training.dataset.cases import Case
from trustseg_training.dataset.siblings import intensity_step, sibling_warning, siblings


def _image(step: float, seed: int) -> np.ndarray:
    counts = np.random.default_rng(seed).poisson(80, (12, 12, 12))
    return (step * counts).astype(np.float32)


def _case(name: str, patient: str | None = None, split: str | None = None) -> Case:
    return Case(name, (), None, patient or name, split)


def _steps(pairs: int, **options) -> dict[Case, float | None]:
    found = {}
    for index in range(2 * pairs):
        step = 5.123456 + 0.071 * (index // 2)
        patient = {} if "patient" not in options else {"patient": f"p{index // 2}"}
        found[_case(f"c{index:02}", **patient)] = intensity_step(_image(step, index))
    return found


def test_step_is_found_to_the_digits_of_float32():
    assert intensity_step(_image(5.123456, 0)) == pytest.approx(5.123456, rel=1e-6)


@pytest.mark.parametrize(
    "voxels",
    [
        np.arange(1000, dtype=np.int16),
        np.arange(1000, dtype=np.float32),
        np.arange(0, 4000, 4, dtype=np.float32),
        np.random.default_rng(0).normal(0, 1, 1000).astype(np.float32),
        np.zeros(10, np.float32),
    ],
    ids=["integers", "whole floats", "multiples of four", "continuous", "constant"],
)
def test_images_without_an_uncommon_step_have_none(voxels):
    assert intensity_step(voxels) is None


def test_pairs_with_one_step_are_siblings():
    groups = siblings(_steps(pairs=5))
    assert [[case.name for case in group] for group in groups] == [
        [f"c{2 * index:02}", f"c{2 * index + 1:02}"] for index in range(5)
    ]
    text = sibling_warning(groups)
    assert text.startswith("10 images look like parts of 5 scans")
    assert "column patient" in text


def test_siblings_of_one_patient_are_no_problem():
    assert siblings(_steps(pairs=5, patient=True)) == []


def test_step_of_a_whole_data_set_is_no_sign():
    assert siblings({_case(f"c{index}"): 0.4711 for index in range(40)}) == []


def test_a_chance_pair_is_no_sign():
    steps = {_case(f"c{index}"): 5 + 0.01 * index for index in range(40)}
    assert siblings({**steps, _case("d"): 5.0}) == []


def test_init_warns_of_siblings_and_of_few_validation_patients(dataset, tmp_path, capsys):
    for index, path in enumerate(sorted((dataset / "imagesTr").iterdir())):
        counts = np.round(sitk.GetArrayFromImage(sitk.ReadImage(str(path))) + 40)
        step = 1.2345 + 0.0123 * (index // 2)
        sitk.WriteImage(sitk.GetImageFromArray((step * counts).astype(np.float32)), str(path))
    table = dataset / "splits.csv"
    rows = table.read_text().split()
    table.unlink()
    assert main(["init", str(dataset), "-o", str(tmp_path / "a.yaml")]) == 0
    out = capsys.readouterr().out
    assert "warning: 6 images look like parts of 3 scans" in out
    assert "warning: only 1 validation patient:" in out
    assert "look like parts of 3 scans" in (tmp_path / "a.yaml").read_text()
    with_patients = [f"{row},p{index // 2}" for index, row in enumerate(rows[1:])]
    table.write_text("\n".join(["case,split,patient", *with_patients]))
    assert main(["init", str(dataset), "-o", str(tmp_path / "b.yaml")]) == 0
    out = capsys.readouterr().out
    assert "look like" not in out
    assert "warning: only 1 validation patient:" in out
