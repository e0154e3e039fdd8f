"""Everything that is wrong with a data set is message before training, file by file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.data import PatientData
from trustseg_training.data.preprocessing import prepare
from trustseg_training.dataset import DatasetError, Inspector, find_cases


def _rewrite(path: Path, change) -> None:
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    sitk.WriteImage(sitk.GetImageFromArray(change(array)), str(path))


def _damage(data: Path) -> dict[str, str]:
    """Damage one file of every case; what shall be message of each."""
    images, labels = data / "imagesTr", data / "labelsTr"
    _rewrite(images / "case_0.nii.gz", lambda a: np.where(a > 90, np.nan, a))
    _rewrite(images / "case_1.nii.gz", np.zeros_like)
    _rewrite(labels / "case_2.nii.gz", lambda a: a.astype(np.float32) * 0.5)
    _rewrite(labels / "case_3.nii.gz", lambda a: np.where(a == 2, 7, a))
    _rewrite(labels / "case_4.nii.gz", lambda a: a[1:])
    (labels / "case_5.nii.gz").write_bytes(b"cut short")
    return {
        "imagesTr/case_0.nii.gz": "NaN or infinite",
        "imagesTr/case_1.nii.gz": "empty, every voxel is 0",
        "labelsTr/case_2.nii.gz": "not a label map",
        "labelsTr/case_3.nii.gz": "label values [0, 1, 7], but known are [0, 1, 2]",
        "labelsTr/case_4.nii.gz": "not on the grid",
        "labelsTr/case_5.nii.gz": "",
    }


def test_every_bad_file_is_in_the_report_with_its_reason(dataset, tmp_path, capsys):
    expected = _damage(dataset)
    options = ["--structures", "A", "B", "--patch", "16", "16", "16", "--accelerator", "cpu"]
    assert main(["fit", str(dataset), "-o", str(tmp_path / "run"), *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    for name, reason in expected.items():
        own = [line for line in lines if f"{Path(name)}: " in line]
        assert len(own) == 1, name
        assert reason in own[0]
    assert not (tmp_path / "run").exists()


def test_damaged_files_are_reported_beside_missing_pairs(dataset):
    (dataset / "labelsTr" / "case_0.nii.gz").unlink()
    _rewrite(dataset / "imagesTr" / "case_1.nii.gz", np.zeros_like)
    data = PatientData(FitConfiguration(data=str(dataset), structures=("A", "B"), patch=(16, 16, 16)))
    with pytest.raises(DatasetError) as caught:
        data.setup()
    assert len(caught.value.problems) == 2
    assert "2 problems" in str(caught.value)


@pytest.mark.parametrize(("copy_to", "leak"), [("case_5", True), ("case_1", False)])
def test_same_voxels_are_a_leak_between_sets_and_a_note_within_one(dataset, copy_to, leak):
    shutil.copy(dataset / "imagesTr" / "case_0.nii.gz", dataset / "imagesTr" / f"{copy_to}.nii.gz")
    inspector = Inspector(("image",), {0, 1, 2})
    for case in find_cases(dataset):
        assert inspector.read(case) is not None
    inspector.finish()
    reported = inspector.problems if leak else inspector.notes
    assert len(inspector.problems) == leak
    assert "case_0.nii.gz (train)" in reported[0]
    assert f"{copy_to}.nii.gz" in reported[0]


def test_floats_that_are_whole_numbers_and_empty_labels_are_notes_only(dataset):
    _rewrite(dataset / "labelsTr" / "case_0.nii.gz", lambda a: a.astype(np.float32))
    _rewrite(dataset / "labelsTr" / "case_1.nii.gz", np.zeros_like)
    inspector = Inspector(("image",), {0, 1, 2})
    for case in find_cases(dataset):
        assert inspector.read(case) is not None
    assert inspector.problems == []
    assert [Path(note.split(": ")[0]).name for note in inspector.notes] == ["case_0.nii.gz", "case_1.nii.gz"]


def test_label_map_knows_the_values_of_the_files_and_changes_them(dataset):
    _rewrite(dataset / "labelsTr" / "case_0.nii.gz", lambda a: np.where(a == 2, 7, a))
    merged = FitConfiguration(
        data=str(dataset), structures=("A",), label_map={1: 1, 7: 1}, orientation="LPS", patch=(16, 16, 16)
    )
    case = find_cases(dataset)[0]
    before = sitk.GetArrayFromImage(sitk.ReadImage(str(case.label)))
    assert np.array_equal(prepare(case, merged)["label"][0], before > 0)
    with pytest.raises(DatasetError, match=r"label values \[0, 1, 2\], but known are \[0, 1, 7\]"):
        prepare(find_cases(dataset)[1], merged)


def test_channels_of_unequal_grids_are_refused(dataset):
    files = [str(dataset / "imagesTr" / f"case_{index}.nii.gz") for index in (0, 1)]
    _rewrite(Path(files[1]), lambda a: a[:, 1:])
    table = dataset / "t.csv"
    table.write_text(f"image_a,image_b,label\n{files[0]},{files[1]},labelsTr/case_0.nii.gz\n")
    inspector = Inspector(("a", "b"))
    assert inspector.read(find_cases(table)[0]) is None
    assert "case_1.nii.gz: not on the grid of case_0.nii.gz" in inspector.problems[0]
