"""Image files are read and written as other libraries do, voxel for voxel and at the same positions."""

from __future__ import annotations

import os
import shutil
import sys
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from TrustSegLib.errors import ImageError, OutputError
from TrustSegLib.imaging import read_labels, read_volume, write_volume
from TrustSegLib.imaging.volume import corner_distance

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
FILES = ["image.nii", "image.nii.gz", "image.nrrd", "image.nhdr", "image.mha", "image.mhd"]


def assert_as_nibabel(volume, path) -> None:
    image = nibabel.load(path)
    np.testing.assert_allclose(volume.array[0].transpose(2, 1, 0), image.get_fdata(), rtol=1e-6)
    assert corner_distance(LPS_TO_RAS @ volume.index_to_lps, image.affine, volume.size) < 1e-3


def tilted_affine(axes=(0, 1, 2), signs=(1, 1, 1)) -> np.ndarray:
    affine = np.eye(4)
    turned = Rotation.from_euler("xyz", [10, -20, 15], degrees=True).as_matrix()
    affine[:3, :3] = turned[:, list(axes)] * signs * np.array([0.8, 1.2, 3.0])
    affine[:3, 3] = (-40, 22, 7)
    return affine


@pytest.mark.parametrize("forms", [("qform",), ("sform",), ("qform", "sform")])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, -1, -1)])
def test_oblique_nifti_has_the_geometry_that_nibabel_reads(nifti, forms, axes, signs):
    path = nifti(affine=tilted_affine(axes, signs), forms=forms)
    assert_as_nibabel(read_volume(path), path)


@pytest.mark.parametrize("kind", ["u1", "i1", "<i2", ">i2", "<u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_number_type_of_nifti_is_read(nifti, numbers, kind):
    path = nifti(array=numbers.integers(0, 100, (4, 5, 6)).astype(kind))
    volume = read_volume(path)
    assert_as_nibabel(volume, path)
    assert volume.array.dtype == np.dtype(kind).newbyteorder("=")


def test_slope_and_intercept_of_nifti_are_applied(nifti, numbers):
    path = nifti(array=numbers.integers(0, 100, (4, 5, 6)).astype(np.int16), scl_slope=0.5, scl_inter=-3)
    assert_as_nibabel(read_volume(path), path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("compressed", [True, False])
def test_every_file_type_keeps_voxels_and_geometry(oblique, tmp_path, name, compressed):
    sitk.WriteImage(oblique.to_sitk(), str(tmp_path / name), useCompression=compressed)
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.array, oblique.array)
    assert volume.same_grid(oblique)


@pytest.mark.parametrize("name", FILES)
def test_every_file_type_keeps_the_channels(oblique, tmp_path, name):
    volume = oblique.with_array(np.concatenate([oblique.array, oblique.array + 10, oblique.array * 2]))
    sitk.WriteImage(volume.to_sitk(), str(tmp_path / name))
    np.testing.assert_array_equal(read_volume(tmp_path / name).array, volume.array)


@pytest.mark.parametrize(
    "name", ["with space.nii.gz", "scané.nrrd", "日本.mha", "IMAGE.NII.GZ", "a.b.c.nii", "Scan.Mha"]
)
def test_file_of_any_name_is_read(oblique, tmp_path, name):
    folder = tmp_path / "dossier é 日本 x"
    folder.mkdir()
    sitk.WriteImage(oblique.to_sitk(), str(folder / name.lower()))
    (folder / name.lower()).rename(folder / name)
    assert read_volume(str(folder / name)).same_grid(oblique)


def test_trailing_axes_of_length_one_are_no_dimensions(nifti, numbers):
    array = numbers.normal(size=(4, 5, 6, 1, 1)).astype(np.float32)
    assert read_volume(nifti(array=array)).array.shape == (1, 6, 5, 4)


def test_bytes_after_the_voxels_are_ignored(nifti):
    path = nifti()
    path.write_bytes(path.read_bytes() + np.full(9, np.nan, np.float32).tobytes())
    assert_as_nibabel(read_volume(path), path)


def test_3d_file_of_one_slice_is_read_as_a_volume(nifti, numbers):
    assert read_volume(nifti(array=numbers.normal(size=(4, 5, 1)))).shape == (1, 5, 4)


def test_quaternion_longer_than_one_by_rounding_is_read(nifti):
    path = nifti(forms=("qform",), quatern_b=0, quatern_c=0, quatern_d=1.000002)
    expected = np.diag([-1, -1, 1]).ravel()
    np.testing.assert_allclose(read_volume(path).direction, LPS_TO_RAS[:3, :3].ravel() * expected, atol=1e-6)


def test_qform_and_sform_may_differ_by_rounding(nifti):
    path = nifti(srow_x=(3, 0.4))
    assert read_volume(path).size == (6, 7, 8)


@pytest.mark.parametrize("space", ["right-anterior-superior", "RAS", "left-anterior-superior", "LPS"])
def test_nrrd_in_another_patient_space_is_converted_to_lps(nrrd, space):
    volume = read_volume(nrrd(space=space))
    flips = {"R": -1, "A": -1, "L": 1, "P": 1}
    letters = space.upper() if len(space) == 3 else "".join(word[0] for word in space.upper().split("-"))
    x, y = flips[letters[0]], flips[letters[1]]
    assert volume.origin == (x, 2 * y, 3)
    assert volume.direction == (x, 0, 0, 0, y, 0, 0, 0, 1)


def test_synonyms_of_metaimage_geometry_are_read(meta):
    path = meta(TransformMatrix=None, Offset=None, Rotation="0 1 0 1 0 0 0 0 1", Position="5 6 7")
    volume = read_volume(path)
    assert volume.origin == (5, 6, 7)
    assert volume.direction == (0, 1, 0, 1, 0, 0, 0, 0, 1)


def test_metaimage_with_compressed_voxels_in_a_separate_file_is_read(meta, tmp_path, numbers):
    voxels = numbers.normal(size=120).astype("<f4")
    (tmp_path / "v.zraw").write_bytes(zlib.compress(voxels.tobytes()))
    size = str((tmp_path / "v.zraw").stat().st_size)
    path = meta("a.mhd", b"", CompressedData="True", CompressedDataSize=size, ElementDataFile="v.zraw")
    np.testing.assert_array_equal(read_volume(path).array.ravel(), voxels)


@pytest.mark.parametrize("true", ["True", "true", "TRUE", "1"])
def test_metaimage_flags_are_read_in_any_spelling(meta, numbers, true):
    voxels = numbers.normal(size=120).astype("<f4")
    path = meta(voxels=voxels.tobytes(), BinaryData=true)
    np.testing.assert_array_equal(read_volume(path).array.ravel(), voxels)


def test_4d_metaimage_of_one_time_point_is_read_as_3d(meta, numbers):
    voxels = numbers.normal(size=120).astype("<f4")
    volume = read_volume(
        meta(
            voxels=voxels.tobytes(),
            NDims="4",
            DimSize="6 5 4 1",
            ElementSpacing="2 3 4 1",
            Offset="1 2 3 0",
            TransformMatrix="0 1 0 0 1 0 0 0 0 0 1 0 0 0 0 1",
        )
    )
    np.testing.assert_array_equal(volume.array.ravel(), voxels)
    assert (volume.shape, volume.spacing, volume.origin) == ((4, 5, 6), (2, 3, 4), (1, 2, 3))
    assert volume.direction == (0, 1, 0, 1, 0, 0, 0, 0, 1)


def test_missing_origin_is_noted(nrrd, meta):
    for path in (nrrd(space_origin=None), meta(Offset=None)):
        volume = read_volume(path)
        assert volume.origin == (0, 0, 0)
        assert "no origin" in " ".join(volume.notes)
    assert read_volume(nrrd()).notes == read_volume(meta()).notes == ()


@pytest.mark.parametrize(("unit", "millimeters"), [("mm", 1), ("m", 1000), ("cm", 10), ("microns", 0.001)])
def test_units_of_nrrd_and_metaimage_become_millimeters(nrrd, meta, unit, millimeters):
    steps = [number / millimeters for number in (2, 3, 4)]
    place = [number / millimeters for number in (1, 2, 3)]
    nrrd_path = nrrd(
        space_units=f'"{unit}" "{unit}" "{unit}"',
        space_directions="({},0,0) (0,{},0) (0,0,{})".format(*steps),
        space_origin="({},{},{})".format(*place),
    )
    meta_path = meta(
        DistanceUnits=unit,
        ElementSpacing=" ".join(map(str, steps)),
        Offset=" ".join(map(str, place)),
    )
    for path in (nrrd_path, meta_path):
        volume = read_volume(path)
        np.testing.assert_allclose(volume.spacing, (2, 3, 4))
        np.testing.assert_allclose(volume.origin, (1, 2, 3))


@pytest.mark.parametrize(("unit", "millimeters"), [(0, 1), (1, 1000), (2, 1), (3, 0.001)])
def test_unit_of_nifti_becomes_millimeters(nifti, unit, millimeters):
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (5, 6, 7)
    affine[:3] /= millimeters
    volume = read_volume(nifti(affine=affine, xyzt_units=unit))
    np.testing.assert_allclose(volume.spacing, (2, 3, 4), rtol=1e-6)
    np.testing.assert_allclose(volume.origin, (-5, -6, 7), rtol=1e-6)


@pytest.mark.parametrize("angle", [0.001, 0.005, 0.015])
@pytest.mark.parametrize(("unit", "millimeters"), [(2, 1), (1, 1000)])
def test_nifti_with_a_slightly_sheared_sform_is_placed_by_its_qform(nifti, angle, unit, millimeters):
    affine = tilted_affine()
    affine[:3] /= millimeters
    sheared = affine.copy()
    sheared[:3, 0] += angle * np.linalg.norm(affine[:3, 0]) / np.linalg.norm(affine[:3, 1]) * affine[:3, 1]
    fields = {f"srow_{axis}": sheared[row] for row, axis in enumerate("xyz")}
    volume = read_volume(nifti(affine=affine, xyzt_units=unit, **fields))
    by_qform = LPS_TO_RAS @ tilted_affine()
    assert corner_distance(volume.index_to_lps, by_qform, volume.size) < 1e-3
    assert "sform is sheared" in " ".join(volume.notes)


def test_qfac_of_zero_is_one(nifti):
    expected = read_volume(nifti(affine=tilted_affine(), forms=("qform",)))
    assert read_volume(nifti(affine=tilted_affine(), forms=("qform",), pixdim=(0, 0))).same_grid(expected)


@pytest.mark.parametrize("shown", [True, False])
def test_reading_restores_the_display_of_itk_warnings(oblique, tmp_path, shown):
    sitk.WriteImage(oblique.to_sitk(), str(tmp_path / "a.nrrd"))
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(shown)
    read_volume(tmp_path / "a.nrrd")
    after = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(before)
    assert after == shown


# Labels


def test_empty_label_map_is_read(nifti):
    labels = read_labels(nifti(array=np.zeros((4, 5, 6), np.float32)))
    assert labels.array.dtype == np.uint8
    assert not labels.array.any()


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_labels_of_any_number_type_become_uint8(nifti, numbers, kind):
    array = numbers.integers(0, 256, (4, 5, 6))
    labels = read_labels(nifti(array=array.astype(kind)))
    np.testing.assert_array_equal(labels.array[0].transpose(2, 1, 0), array)


@pytest.mark.parametrize("value", [0.5, -1, 256, np.nan, np.inf])
def test_voxels_that_are_no_labels_are_refused(nifti, value):
    array = np.zeros((4, 5, 6), np.float32)
    array[1, 2, 3] = value
    with pytest.raises(ImageError, match=r"not a label map|NaN or infinite"):
        read_labels(nifti(array=array))


WRITTEN = ["a.nii.gz", "a.nii", "a.nrrd", "a.mha"]


@pytest.fixture
def labels(oblique, numbers):
    return oblique.with_array(numbers.integers(0, 3, oblique.array.shape).astype(np.uint8))


def test_nibabel_reads_the_written_voxels_and_geometry(oblique, tmp_path):
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


def test_empty_mask_is_written_and_read_back(labels, tmp_path):
    write_volume(labels.with_array(np.zeros_like(labels.array)), tmp_path / "mask.nii.gz")
    assert not read_labels(tmp_path / "mask.nii.gz").array.any()


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_file_type_is_read_back_as_written(oblique, tmp_path, name, channels):
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
def test_file_of_any_name_is_written(oblique, tmp_path, name):
    write_volume(oblique, str(tmp_path / name))
    assert os.listdir(tmp_path) == [name]
    assert read_volume(tmp_path / name).same_grid(oblique)


def test_file_has_the_permissions_of_new_files(oblique, tmp_path):
    write_volume(oblique, tmp_path / "a.nii.gz")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "a.nii.gz").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_existing_file_is_replaced(oblique, tmp_path):
    write_volume(oblique, tmp_path / "a.nii.gz")
    write_volume(oblique.with_array(oblique.array + 5), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").array, oblique.array + 5)


def assert_refused(volume, path, words: str) -> None:
    with pytest.raises(OutputError, match=words) as caught:
        write_volume(volume, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_voxels_that_cannot_be_read_back_are_refused(oblique, tmp_path):
    """SimpleITK would give a NaN of a NIfTI file as 0."""
    assert_refused(oblique.with_array(oblique.array * np.nan), tmp_path / "a.nii.gz", "210 voxels are NaN")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a", "a.mhd", "a.nhdr", "a.nii.bz2"])
def test_type_of_several_files_is_refused(oblique, tmp_path, name):
    assert_refused(oblique, tmp_path / name, "cannot write this type")
    assert not os.listdir(tmp_path)


def test_missing_folder_is_refused(oblique, tmp_path):
    assert_refused(oblique, tmp_path / "none" / "a.nii.gz", "No such file")
    (tmp_path / "file").write_text("")
    assert_refused(oblique, tmp_path / "file" / "a.nii.gz", "cannot be written")


def test_folder_in_place_of_the_file_is_refused(oblique, tmp_path):
    (tmp_path / "a.nii.gz").mkdir()
    assert_refused(oblique, tmp_path / "a.nii.gz", "cannot be written")
    assert os.listdir(tmp_path) == ["a.nii.gz"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no user to become")
def test_read_only_folder_is_refused(oblique, tmp_path):
    tmp_path.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere, nobody may not
    try:
        assert_refused(oblique, tmp_path / "a.nii.gz", "Permission denied")
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o755)


def test_failed_move_keeps_the_old_file_and_leaves_nothing_else(oblique, tmp_path, monkeypatch):
    write_volume(oblique, tmp_path / "a.nii.gz")
    before = (tmp_path / "a.nii.gz").read_bytes()

    def deny(*_paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", deny)
    assert_refused(oblique.with_array(oblique.array + 1), tmp_path / "a.nii.gz", "Permission denied")
    assert (tmp_path / "a.nii.gz").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.nii.gz"]


@pytest.mark.parametrize("name", WRITTEN)
def test_full_disk_is_told_as_a_full_disk(oblique, tmp_path, monkeypatch, name):
    """ITK reports neither the reason nor, for NIfTI, the failure."""
    monkeypatch.setattr(sitk, "WriteImage", lambda image, path, useCompression: Path(path).write_bytes(b"x"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(100, 90, 10))
    assert_refused(oblique, tmp_path / name, "the disk is full")
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no file size limit to stand in for a full disk"
)
@pytest.mark.parametrize("name", WRITTEN)
def test_full_disk_keeps_the_old_file_and_leaves_nothing_else(oblique, tmp_path, numbers, name):
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
