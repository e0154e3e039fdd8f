"""A written image is read by others as it was, or is not there at all."""

from __future__ import annotations

import os
import sys

import nibabel
import numpy as np
import pytest

from TrustSegLib.errors import OutputError
from TrustSegLib.imaging import read_labels, read_volume, write_volume
from TrustSegLib.imaging.volume import corner_distance

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
FILES = ["a.nii.gz", "a.nii", "a.nrrd", "a.mha"]


@pytest.fixture
def labels(oblique, numbers):
    return oblique.with_array(numbers.integers(0, 3, oblique.array.shape).astype(np.uint8))


def test_nibabel_reads_the_same_voxels_in_the_same_place(oblique, tmp_path):
    write_volume(oblique, tmp_path / "a.nii.gz")
    image = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), oblique.array[0].transpose(2, 1, 0))
    assert corner_distance(LPS_TO_RAS @ oblique.index_to_lps, image.affine, oblique.size) < 1e-3
    assert image.header["qform_code"] > 0
    assert image.header["sform_code"] > 0


def test_labels_are_stored_as_uint8_without_scaling(labels, tmp_path):
    write_volume(labels, tmp_path / "mask.nii.gz")
    image = nibabel.load(tmp_path / "mask.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), labels.array[0].transpose(2, 1, 0))


def test_an_empty_mask_is_written_and_read_back(labels, tmp_path):
    write_volume(labels.with_array(np.zeros_like(labels.array)), tmp_path / "mask.nii.gz")
    assert not read_labels(tmp_path / "mask.nii.gz").array.any()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_type_comes_back(oblique, tmp_path, name, channels):
    volume = oblique.with_array(np.concatenate([oblique.array + channel for channel in range(channels)]))
    write_volume(volume, tmp_path / name)
    back = read_volume(tmp_path / name)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.same_grid(volume)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_files_are_compressed(oblique, tmp_path, name):
    array = np.zeros((1, 20, 30, 40), np.float32)
    write_volume(type(oblique)(array, oblique.spacing, oblique.origin, oblique.direction), tmp_path / name)
    assert (tmp_path / name).stat().st_size < array.nbytes / 20


@pytest.mark.parametrize("name", ["scan é 日本.nii.gz", "with space.nrrd", "UPPER.NII.GZ"])
def test_any_name_is_written(oblique, tmp_path, name):
    write_volume(oblique, str(tmp_path / name))
    assert os.listdir(tmp_path) == [name]
    assert read_volume(tmp_path / name).same_grid(oblique)


def test_a_file_has_the_permissions_that_new_files_have(oblique, tmp_path):
    write_volume(oblique, tmp_path / "a.nii.gz")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "a.nii.gz").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_an_existing_file_is_replaced(oblique, tmp_path):
    write_volume(oblique, tmp_path / "a.nii.gz")
    write_volume(oblique.with_array(oblique.array + 5), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").array, oblique.array + 5)


def assert_refused(volume, path, words: str) -> None:
    with pytest.raises(OutputError, match=words) as caught:
        write_volume(volume, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_voxels_that_nobody_could_read_back_are_refused(oblique, tmp_path):
    """SimpleITK would give a NaN of a NIfTI file as 0."""
    assert_refused(oblique.with_array(oblique.array * np.nan), tmp_path / "a.nii.gz", "210 voxels are NaN")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a", "a.mhd", "a.nhdr", "a.nii.bz2"])
def test_a_type_that_cannot_be_written_at_once_is_refused(oblique, tmp_path, name):
    assert_refused(oblique, tmp_path / name, "cannot write this type")
    assert not os.listdir(tmp_path)


def test_a_folder_that_is_missing_or_none(oblique, tmp_path):
    assert_refused(oblique, tmp_path / "none" / "a.nii.gz", "No such file")
    (tmp_path / "file").write_text("")
    assert_refused(oblique, tmp_path / "file" / "a.nii.gz", "cannot be written")


def test_a_folder_in_the_place_of_the_file(oblique, tmp_path):
    (tmp_path / "a.nii.gz").mkdir()
    assert_refused(oblique, tmp_path / "a.nii.gz", "cannot be written")
    assert os.listdir(tmp_path) == ["a.nii.gz"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no user to become")
def test_a_folder_that_may_not_be_written(oblique, tmp_path):
    tmp_path.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere, nobody may not
    try:
        assert_refused(oblique, tmp_path / "a.nii.gz", "Permission denied")
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o755)


def test_a_denied_move_leaves_the_old_file_and_nothing_else(oblique, tmp_path, monkeypatch):
    write_volume(oblique, tmp_path / "a.nii.gz")
    before = (tmp_path / "a.nii.gz").read_bytes()

    def deny(*_paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", deny)
    assert_refused(oblique.with_array(oblique.array + 1), tmp_path / "a.nii.gz", "Permission denied")
    assert (tmp_path / "a.nii.gz").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.nii.gz"]


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no file size limit to stand in for a full disk"
)
@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(oblique, tmp_path, numbers, name):
    """NIfTI is cut short without an error from SimpleITK."""
    import resource

    write_volume(oblique, tmp_path / name)
    before = (tmp_path / name).read_bytes()
    large = type(oblique)(numbers.normal(size=(1, 40, 40, 40)), (1, 1, 1), (0, 0, 0), oblique.direction)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        assert_refused(large, tmp_path / name, "free space")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / name).read_bytes() == before
    assert os.listdir(tmp_path) == [name]
