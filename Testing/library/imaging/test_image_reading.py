"""Good files of every type are read as another library reads them, voxel for voxel and in the same place."""

from __future__ import annotations

import zlib

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import read_labels, read_volume
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
def test_a_tilted_nifti_lies_where_nibabel_puts_it(nifti, forms, axes, signs):
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
def test_every_file_type_keeps_voxels_and_place(oblique, tmp_path, name, compressed):
    sitk.WriteImage(oblique.to_sitk(), str(tmp_path / name), useCompression=compressed)
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.array, oblique.array)
    assert volume.same_grid(oblique)


@pytest.mark.parametrize("name", FILES)
def test_every_file_type_keeps_channels_apart(oblique, tmp_path, name):
    volume = oblique.with_array(np.concatenate([oblique.array, oblique.array + 10, oblique.array * 2]))
    sitk.WriteImage(volume.to_sitk(), str(tmp_path / name))
    np.testing.assert_array_equal(read_volume(tmp_path / name).array, volume.array)


@pytest.mark.parametrize(
    "name", ["with space.nii.gz", "scané.nrrd", "日本.mha", "IMAGE.NII.GZ", "a.b.c.nii", "Scan.Mha"]
)
def test_any_name_is_read(oblique, tmp_path, name):
    folder = tmp_path / "dossier é 日本 x"
    folder.mkdir()
    sitk.WriteImage(oblique.to_sitk(), str(folder / name.lower()))
    (folder / name.lower()).rename(folder / name)
    assert read_volume(str(folder / name)).same_grid(oblique)


def test_ones_at_the_end_of_the_shape_are_no_dimension(nifti, numbers):
    array = numbers.normal(size=(4, 5, 6, 1, 1)).astype(np.float32)
    assert read_volume(nifti(array=array)).array.shape == (1, 6, 5, 4)


def test_bytes_after_the_voxels_are_nobodys(nifti):
    path = nifti()
    path.write_bytes(path.read_bytes() + np.full(9, np.nan, np.float32).tobytes())
    assert_as_nibabel(read_volume(path), path)


def test_one_slice_in_a_3d_file_is_a_volume(nifti, numbers):
    assert read_volume(nifti(array=numbers.normal(size=(4, 5, 1)))).shape == (1, 5, 4)


def test_a_quaternion_that_rounding_made_longer_than_one_is_read(nifti):
    path = nifti(forms=("qform",), quatern_b=0, quatern_c=0, quatern_d=1.000002)
    expected = np.diag([-1, -1, 1]).ravel()
    np.testing.assert_allclose(read_volume(path).direction, LPS_TO_RAS[:3, :3].ravel() * expected, atol=1e-6)


def test_qform_and_sform_may_differ_by_rounding(nifti):
    path = nifti(srow_x=(3, 0.4))
    assert read_volume(path).size == (6, 7, 8)


@pytest.mark.parametrize("space", ["right-anterior-superior", "RAS", "left-anterior-superior", "LPS"])
def test_an_nrrd_in_another_patient_space_is_turned_to_lps(nrrd, space):
    volume = read_volume(nrrd(space=space))
    flips = {"R": -1, "A": -1, "L": 1, "P": 1}
    letters = space.upper() if len(space) == 3 else "".join(word[0] for word in space.upper().split("-"))
    x, y = flips[letters[0]], flips[letters[1]]
    assert volume.origin == (x, 2 * y, 3)
    assert volume.direction == (x, 0, 0, 0, y, 0, 0, 0, 1)


def test_old_names_of_a_metaimages_geometry_are_known(meta):
    path = meta(TransformMatrix=None, Offset=None, Rotation="0 1 0 1 0 0 0 0 1", Position="5 6 7")
    volume = read_volume(path)
    assert volume.origin == (5, 6, 7)
    assert volume.direction == (0, 1, 0, 1, 0, 0, 0, 0, 1)


def test_a_metaimage_with_compressed_voxels_in_its_own_file_is_read(meta, tmp_path, numbers):
    voxels = numbers.normal(size=120).astype("<f4")
    (tmp_path / "v.zraw").write_bytes(zlib.compress(voxels.tobytes()))
    size = str((tmp_path / "v.zraw").stat().st_size)
    path = meta("a.mhd", b"", CompressedData="True", CompressedDataSize=size, ElementDataFile="v.zraw")
    np.testing.assert_array_equal(read_volume(path).array.ravel(), voxels)


@pytest.mark.parametrize("shown", [True, False])
def test_reading_leaves_itks_warnings_as_they_were(oblique, tmp_path, shown):
    sitk.WriteImage(oblique.to_sitk(), str(tmp_path / "a.nrrd"))
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(shown)
    read_volume(tmp_path / "a.nrrd")
    after = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(before)
    assert after == shown


# Labels


def test_an_empty_label_map_is_read(nifti):
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
