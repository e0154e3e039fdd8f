"""Which files belong together and to whom, in every layout of a data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from trustseg_training.dataset import DatasetError, find_cases, list_cases
from trustseg_training.dataset.cases import read_names
from trustseg_training.dataset.reading import read_channels, read_image
from TrustSegLib.errors import ImageError


def _write(path: Path, value: float = 0.0, channels: int = 1) -> None:
    """A small ramp; several channels go into the fourth dimension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.arange(60, dtype=np.float32).reshape(3, 4, 5) + value
    images = [sitk.GetImageFromArray(ramp + 1000 * index) for index in range(channels)]
    sitk.WriteImage(images[0] if channels == 1 else sitk.JoinSeries(images), str(path))


@pytest.fixture
def table(tmp_path) -> Path:
    """Three images of two patients, each of two channels in files of their own."""
    lines = ["image_t1,image_flair,label,patient,split"]
    for name, patient, split in (("a1", "a", "train"), ("a2", "a", "train"), ("b1", "b", "val")):
        for part in ("t1", "flair", "label"):
            _write(tmp_path / "files" / f"{name}_{part}.nii.gz", {"t1": 0, "flair": 500, "label": 0}[part])
        files = ",".join(f"files/{name}_{part}.nii.gz" for part in ("t1", "flair", "label"))
        lines.append(f"{files},{patient},{split}")
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_table_names_channels_patient_and_split(table):
    first, _, last = find_cases(table)
    assert first.channels == ("t1", "flair")
    assert (first.patient, first.split) == ("a", "train")
    assert (last.patient, last.split) == ("b", "val")
    assert first.images[1] == table.parent / "files" / "a1_flair.nii.gz"


def test_channels_are_found_by_name_whatever_their_order(table):
    case = find_cases(table)[0]
    turned = read_image(case, ("flair", "t1"))
    assert turned.array[:, 0, 0, 0].tolist() == [500, 0]
    assert read_image(case, ("flair",)).array.shape == (1, 3, 4, 5)
    assert read_image(case, ("first", "second")).array[:, 0, 0, 0].tolist() == [0, 500]
    with pytest.raises(ImageError, match=r"channels t1, flair, but wanted are t1, t2"):
        read_image(case, ("t1", "t2"))


def test_patient_in_two_splits_is_named_with_its_images(table):
    table.write_text(table.read_text().replace("a,train\nfiles/b1", "a,test\nfiles/b1"))
    with pytest.raises(DatasetError, match=r"patient a is in two sets \(a1_t1 in train, a2_t1 in test\)"):
        find_cases(table)


def test_every_missing_file_is_named(table):
    for name in ("a1_t1", "a2_label", "b1_flair"):
        (table.parent / "files" / f"{name}.nii.gz").unlink()
    cases, problems = list_cases(table)
    assert cases == []
    assert len(problems) == 3
    with pytest.raises(DatasetError) as caught:
        find_cases(table)
    for name in ("a1_t1", "a2_label", "b1_flair"):
        assert f"{name}.nii.gz: not found" in str(caught.value)


def test_equal_file_names_in_folders_of_patients_stay_apart(tmp_path):
    lines = ["image,label"]
    for patient in ("p1", "p2"):
        for part in ("image", "label"):
            _write(tmp_path / patient / f"{part}.nii.gz")
        lines.append(f"{patient}/image.nii.gz,{patient}/label.nii.gz")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    cases = find_cases(tmp_path / "t.csv")
    assert [case.name for case in cases] == ["p1/image", "p2/image"]
    assert cases[0].split is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,patient\nx,y\n", "needs a column image"),
        ("image,label,split\na.nii,b.nii,dev\n", "split 'dev'"),
        ("image,label\na.nii,\n", "line 2 has no label"),
        ("image,label\na.nii,b.nii,c.nii\n", "line 2 has more values"),
        ("image,label\n", "at least one row"),
    ],
)
def test_table_that_cannot_be_understood_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ImageError, match=r"t\.csv: .*" + message):
        find_cases(tmp_path / "t.csv")


def test_folder_without_table_lists_pairs_and_names_unpaired_files(tmp_path):
    for name in ("a", "b_0001"):
        _write(tmp_path / "imagesTr" / f"{name}.nii.gz")
        _write(tmp_path / "labelsTr" / f"{name}.nii.gz")
    _write(tmp_path / "imagesTr" / "alone.nii.gz")
    _write(tmp_path / "labelsTr" / "other.nii.gz")
    (tmp_path / "imagesTr" / "._a.nii.gz").write_bytes(b"left by an archive")
    cases, problems = list_cases(tmp_path)
    assert [case.name for case in cases] == ["a", "b_0001"]
    assert [Path(problem.split(": ")[0]) for problem in problems] == [
        tmp_path / "labelsTr" / "alone.nii.gz",
        tmp_path / "imagesTr" / "other.nii.gz",
    ]


def test_files_per_channel_and_channels_in_the_fourth_dimension_are_one_image(tmp_path):
    for index, value in enumerate((0, 700)):
        _write(tmp_path / "imagesTr" / f"a_000{index}.nii.gz", value)
    _write(tmp_path / "imagesTr" / "b.nii.gz", channels=2)
    for name in "ab":
        _write(tmp_path / "labelsTr" / f"{name}.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"modality": {"1": "T2", "0": "FLAIR"}, "labels": {}}))
    files, fourth = find_cases(tmp_path)
    assert files.channels == ("FLAIR", "T2")
    assert read_image(files, ("FLAIR", "T2")).array[:, 0, 0, 0].tolist() == [0, 700]
    assert read_image(fourth, ("T2",)).array[:, 0, 0, 0].tolist() == [1000]
    with pytest.raises(ImageError, match=r"FLAIR, T2, but wanted are x, y, z"):
        read_image(fourth, ("x", "y", "z"))


@pytest.mark.parametrize(
    "labels", [{"0": "background", "2": "spleen", "1": "liver"}, {"background": 0, "liver": 1, "spleen": 2}]
)
def test_dataset_json_of_decathlon_and_nnunet_give_the_same_names(tmp_path, labels):
    (tmp_path / "dataset.json").write_text(json.dumps({"modality": {"0": "CT"}, "labels": labels}))
    names = read_names(tmp_path)
    assert names.channels == ("CT",)
    assert list(names.structures.items()) == [(1, "liver"), (2, "spleen")]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"labels": {"a": 1, "whole": [1, 2]}}', '{"modality": {"x": 1}}']
)
def test_dataset_json_that_is_not_understood_is_refused(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(ImageError, match=r"dataset\.json: not understood"):
        read_names(tmp_path)


def test_path_without_a_data_set_is_refused(tmp_path):
    with pytest.raises(ImageError, match="not a data set"):
        find_cases(tmp_path / "nothing")
    with pytest.raises(ImageError, match=r"imagesTr: not found"):
        find_cases(tmp_path)


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_truncated_file_of_channels_is_refused(tmp_path, kept):
    path = tmp_path / "a.nii.gz"
    _write(path, channels=2)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ImageError, match=r"a\.nii\.gz: truncated or damaged"):
        read_channels(path)


def test_channels_of_an_absurd_voxel_size_are_refused(tmp_path):
    path = tmp_path / "a.nii.gz"
    _write(path, channels=2)
    image = sitk.ReadImage(str(path))
    image.SetSpacing((1000, 1000, 1000, 1))
    sitk.WriteImage(image, str(path))
    with pytest.raises(ImageError, match="1000 x 1000 x 1000 mm"):
        read_channels(path)


def test_split_may_be_written_as_a_word(tmp_path):
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
        for name in "abc":
            (tmp_path / folder / f"{name}.nii.gz").touch()
    (tmp_path / "splits.csv").write_text("Case;Split\na;Training\nb;validation\nc;Test\n")
    assert [case.split for case in find_cases(tmp_path)] == ["train", "val", "test"]


def test_dataset_json_with_a_byte_order_mark_is_read(tmp_path):
    text = json.dumps({"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}})
    (tmp_path / "dataset.json").write_text(text, encoding="utf-8-sig")
    assert read_names(tmp_path).structures == {1: "liver"}
