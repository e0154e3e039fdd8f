"""A damaged, truncated or ambiguous file is refused in one line: file, what is wrong, what to do."""

from __future__ import annotations

import bz2
import gzip
import zlib

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from TrustSegLib.imaging import read_volume

# What is there, and of which type


@pytest.mark.parametrize("name", ["none.nii.gz", "none.nrrd", "none.mha", "none.foo", "none"])
def test_missing_file_is_refused(tmp_path, refused, name):
    refused(tmp_path / name, "no such file")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("content", [b"", b"hello\n", b"hello: world = 1\n" * 100, bytes(range(256)) * 10])
def test_file_of_another_type_than_its_name_is_refused(tmp_path, refused, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, "damaged")


@pytest.mark.parametrize("name", ["scan.png", "scan.txt", "scan", "scan.img", "scan.nii.bz2"])
def test_unknown_type_is_refused_with_the_known_ones(tmp_path, refused, name):
    path = tmp_path / name
    path.write_bytes(b"x" * 500)
    refused(path, ".nii.gz")


def test_nifti_renamed_to_another_type_is_refused(nifti, tmp_path, refused):
    refused(nifti().rename(tmp_path / "a.nrrd"), "not an NRRD file")


def test_uncompressed_nifti_named_gz_is_refused(nifti, tmp_path, refused):
    refused(nifti().rename(tmp_path / "a.nii.gz"), "cannot be uncompressed")


def test_nifti_2_is_refused(tmp_path, numbers, refused):
    path = tmp_path / "two.nii"
    nibabel.save(nibabel.Nifti2Image(numbers.normal(size=(4, 5, 6)), np.eye(4)), path)
    refused(path, "NIfTI-2")


def test_unreadable_file_is_refused_with_the_reason(nifti, refused, monkeypatch):
    path = nifti()

    def deny(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", deny)
    refused(path, "Permission denied")


# Truncated and damaged


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_truncated_gzip_is_refused(nifti, refused, kept):
    path = nifti("image.nii.gz")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    refused(path, "damaged")


def test_gzip_with_a_changed_byte_is_refused(nifti, refused):
    path = nifti("image.nii.gz")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    refused(path, "damaged")


def test_truncated_nifti_is_refused(nifti, refused):
    path = nifti()
    path.write_bytes(path.read_bytes()[:-1])
    refused(path, f"truncated, {6 * 7 * 8 * 4 - 1} of {6 * 7 * 8 * 4} bytes")


def test_truncated_nifti_header_is_refused(nifti, refused):
    path = nifti()
    path.write_bytes(path.read_bytes()[:200])
    refused(path, "damaged")


@pytest.mark.parametrize("start", [0, 348])
def test_nifti_whose_voxels_start_in_the_header_is_refused(nifti, refused, start):
    """SimpleITK would shift every voxel by one."""
    refused(nifti(vox_offset=start), f"at byte {start}")


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_truncated_nrrd_is_refused(nrrd, numbers, refused, encoding):
    voxels = numbers.normal(size=120).astype("<f4").tobytes()
    voxels = gzip.compress(voxels) if encoding == "gzip" else voxels
    refused(nrrd(voxels=voxels[: len(voxels) // 2], encoding=encoding), "truncated")


def test_nrrd_with_a_wrong_crc_is_refused(nrrd, numbers, refused):
    """SimpleITK reads such voxels, however many of them are changed."""
    voxels = bytearray(gzip.compress(numbers.normal(size=120).astype("<f4").tobytes(), compresslevel=0))
    voxels[200] ^= 0xFF
    refused(nrrd(voxels=bytes(voxels), encoding="gzip"), "damaged")


def test_nrrd_of_an_encoding_that_is_not_read_is_refused_by_its_name(nrrd, numbers, refused):
    voxels = bz2.compress(numbers.normal(size=120).astype("<f4").tobytes())
    refused(nrrd(voxels=voxels, encoding="bzip2"), "'bzip2'", "save it with the encoding gzip or raw")


@pytest.mark.parametrize("encoding", ["text", "hex", "GZIP"])
def test_nrrd_of_other_encodings_is_read(nrrd, numbers, encoding):
    values = numbers.normal(size=120).astype("<f4")
    encoded = {
        "text": " ".join(map(repr, map(float, values))).encode(),
        "hex": values.tobytes().hex().encode(),
        "GZIP": gzip.compress(values.tobytes()),
    }
    volume = read_volume(nrrd(voxels=encoded[encoding], encoding=encoding))
    np.testing.assert_array_equal(volume.array.ravel(), values)


def test_metaimage_with_a_wrong_checksum_is_refused(meta, numbers, refused):
    voxels = bytearray(zlib.compress(numbers.normal(size=120).astype("<f4").tobytes(), 0))
    voxels[200] ^= 0xFF
    refused(meta(voxels=bytes(voxels), CompressedData="True"), "damaged")


def test_nrrd_without_its_voxel_file_is_refused(nrrd, refused):
    refused(nrrd("a.nhdr", b"", data_file="none.raw"), "cannot be read")


def test_truncated_metaimage_is_refused(meta, refused):
    refused(meta(voxels=b"\1" * 479), "truncated, 479 of 480 bytes")


def test_metaimage_with_damaged_compressed_voxels_is_refused(meta, numbers, refused):
    voxels = zlib.compress(numbers.normal(size=120).astype("<f4").tobytes())
    refused(meta(voxels=voxels[:100], CompressedData="True"), "truncated")
    refused(meta(voxels=voxels[:100] + b"\0" * 9 + voxels[109:], CompressedData="True"), "damaged")


def test_metaimage_without_its_voxel_file_is_refused(meta, refused):
    refused(meta("a.mhd", b"", ElementDataFile="none.raw"), "none.raw")


def test_metaimage_over_several_files_or_as_text_is_refused(meta, refused):
    refused(meta("a.mhd", b"", ElementDataFile="LIST"), "not in one binary file")
    refused(meta(BinaryData="False"), "not in one binary file")


def test_metaimage_of_an_unknown_number_type_is_refused(meta, refused):
    refused(meta(ElementType="MET_OTHER"), "MET_OTHER")


@pytest.mark.parametrize("name", ["quatern_b", "dim", "vox_offset", "datatype"])
def test_nonsensical_nifti_header_is_refused(nifti, refused, name):
    nonsense = {"quatern_b": 9.0, "dim": (2, -7), "vox_offset": np.nan, "datatype": 7777}
    refused(nifti(**{name: nonsense[name]}), "header")


@pytest.mark.parametrize(
    "change", [{"space_directions": "(2,0,0) (0,3) (0,0,4)"}, {"space_origin": "(1,x,3)"}]
)
def test_nonsensical_nrrd_header_is_refused(nrrd, refused, change):
    refused(nrrd(**change), "header is damaged")


@pytest.mark.parametrize(
    "change", [{"ElementSpacing": "2 x 4"}, {"TransformMatrix": "1 0 0 1"}, {"DimSize": "6 b 4"}]
)
def test_nonsensical_metaimage_header_is_refused(meta, refused, change):
    refused(meta(**change), "header is damaged")


@pytest.mark.parametrize("dimensions", ["999999999999", "2", "-1", "x", "3\nDimSize = 6 5 4"])
def test_metaimage_whose_fields_contradict_each_other_is_refused(meta, refused, dimensions):
    """MetaIO would crash."""
    refused(meta(NDims=dimensions), "header is damaged")


def test_image_without_voxels_is_refused(meta, refused):
    refused(meta(DimSize="0 5 4"), "no voxels")


# Not one 3D gray image


@pytest.mark.parametrize(("shape", "dimension"), [
    ((6,), "1D"), ((6, 7), "2D"), ((6, 7, 8, 5), "4D"), ((6, 7, 8, 2, 3), "5D"), ((6, 7, 8, 1, 3), "5D"),
])  # fmt: skip
def test_nifti_that_is_not_3d_is_refused(nifti, numbers, refused, shape, dimension):
    refused(nifti(array=numbers.normal(size=shape).astype(np.float32)), f"a {dimension} image")


def test_nifti_vectors_over_time_are_refused(nifti, numbers, refused):
    array = numbers.normal(size=(4, 5, 6, 2, 3)).astype(np.float32)
    refused(nifti(array=array, intent_code=1007), "4D")


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
@pytest.mark.parametrize("shape", [(6, 7), (3, 4, 5, 6)])
def test_nrrd_and_metaimage_that_are_not_3d_are_refused(tmp_path, numbers, refused, name, shape):
    sitk.WriteImage(sitk.GetImageFromArray(numbers.normal(size=shape), isVector=False), str(tmp_path / name))
    refused(tmp_path / name, f"a {len(shape)}D image")


@pytest.mark.parametrize("kind", [np.complex64, np.complex128])
def test_complex_nifti_is_refused(nifti, numbers, refused, kind):
    refused(nifti(array=numbers.normal(size=(4, 5, 6)).astype(kind)), "complex")


def test_complex_nrrd_is_refused(tmp_path, refused):
    sitk.WriteImage(sitk.Image([4, 5, 6], sitk.sitkComplexFloat32), str(tmp_path / "a.nrrd"))
    refused(tmp_path / "a.nrrd", "complex")


@pytest.mark.parametrize("letters", ["RGB", "RGBA"])
def test_color_nifti_is_refused(nifti, refused, letters):
    refused(nifti(array=np.zeros((4, 5, 6), [(letter, "u1") for letter in letters])), "color")


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_color_nrrd_and_metaimage_are_refused(tmp_path, refused, name):
    colors = sitk.Compose([sitk.Image([4, 5, 6], sitk.sitkUInt8)] * 3)
    sitk.WriteImage(colors, str(tmp_path / name))
    refused(tmp_path / name, "color")


def test_color_nrrd_of_another_number_type_is_refused(nrrd, refused):
    path = nrrd(
        dimension="4",
        sizes="3 2 5 4",
        space_directions="none (2,0,0) (0,3,0) (0,0,4)",
        kinds="RGB-color domain domain domain",
    )
    refused(path, "color")


# Voxels


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_are_refused_with_their_number(nifti, numbers, refused, value):
    array = numbers.normal(size=(4, 5, 6))
    array[1, 2, 3:5] = value
    refused(nifti(array=array), "2 voxels are NaN or infinite")


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
def test_voxel_that_is_not_finite_is_refused_in_every_file_type(oblique, tmp_path, refused, name):
    oblique.array[0, 1, 2, 3] = np.nan
    sitk.WriteImage(oblique.to_sitk(), str(tmp_path / name))
    refused(tmp_path / name, "1 voxel is NaN or infinite")


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_constant_image_is_refused(nifti, refused, kind):
    refused(nifti(array=np.full((4, 5, 6), 7, kind)), "every voxel is 7")


def test_constant_channel_is_refused_by_its_number(oblique, tmp_path, refused):
    volume = oblique.with_array(np.concatenate([oblique.array, np.zeros_like(oblique.array)]))
    sitk.WriteImage(volume.to_sitk(), str(tmp_path / "a.nrrd"))
    refused(tmp_path / "a.nrrd", "channel 2 is empty")


@pytest.mark.parametrize("forms", [("qform",), ("sform",), ("qform", "sform")])
@pytest.mark.parametrize("size", [0, -2, np.nan, np.inf])
def test_nifti_spacing_that_is_not_positive_is_refused(nifti, refused, forms, size):
    refused(nifti(forms=forms, pixdim=(1, size)), "voxel size")


def test_nifti_without_qform_and_sform_is_refused(nifti, refused):
    refused(nifti(forms=()), "does not say how the image lies")


@pytest.mark.parametrize("change", [{"srow_x": [-2, 0, 0, 50]}, {"srow_x": (3, 1.5)}, {"srow_z": (3, -20)}])
def test_contradictory_qform_and_sform_are_refused(nifti, refused, change):
    refused(nifti(**change), "mm apart")


@pytest.mark.parametrize("forms", [("sform",), ("qform", "sform")])
def test_sform_of_another_voxel_size_is_refused(nifti, refused, forms):
    refused(nifti(forms=forms, srow_x=(0, 2.5)), "different voxel sizes")


@pytest.mark.parametrize("forms", [("sform",), ("qform", "sform")])
@pytest.mark.parametrize("angle", [0.2, 0.025])
def test_sheared_nifti_is_refused(nifti, refused, forms, angle):
    x, y = 2 * np.cos(angle), 2 * np.sin(angle)
    refused(nifti(forms=forms, srow_x=[x, 0, 0, 0], srow_y=[y, 3, 0, 0]), "sheared")


def test_slight_shear_that_only_itk_detects_is_refused(nifti, refused):
    refused(nifti(forms=("sform",), srow_y=[1e-3, 3, 0, 0]), "sheared")


@pytest.mark.parametrize("change", [{"srow_x": (0, np.nan)}, {"srow_z": (3, np.inf)}, {"qoffset_x": np.nan}])
def test_nifti_form_that_is_not_finite_is_refused(nifti, refused, change):
    refused(nifti(**change), "NaN or infinity")


@pytest.mark.parametrize("value", [1e30, -1e39, 1e300])
def test_values_beyond_float32_are_refused_with_the_reason(nifti, numbers, refused, recwarn, value):
    array = numbers.normal(size=(4, 5, 6))
    array[1, 2, 3] = value
    refused(nifti(array=array), f"values up to {abs(value):.1e}")
    assert not recwarn.list


@pytest.mark.parametrize("unit", [1, 3])
def test_absurd_voxel_size_is_refused_with_the_unit_of_the_header(nifti, refused, unit):
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    size, name = {1: ("1000", "meters"), 3: ("0.001", "micrometers")}[unit]
    refused(nifti(affine=affine, xyzt_units=unit), f"{size} x {size} x {size} mm (its unit is {name})")


def test_voxels_of_a_meter_are_refused_in_every_file_type(nifti, nrrd, meta, refused):
    refused(nifti(affine=np.diag([1000.0, 1000.0, 1000.0, 1.0])), "1000 x 1000 x 1000 mm")
    refused(nrrd(space_directions="(1000,0,0) (0,1000,0) (0,0,1000)"), "1000 x 1000 x 1000 mm")
    refused(meta(ElementSpacing="1000 1000 1000"), "1000 x 1000 x 1000 mm")


def test_unit_of_length_that_is_not_known_is_refused(nrrd, refused):
    refused(nrrd(space_units='"furlong" "furlong" "furlong"'), "furlong", "millimeters")
    refused(nrrd(space_units='"mm" "mm" "m"'), "unit of length")


@pytest.mark.parametrize("directions", ["(0,0,0) (0,3,0) (0,0,4)", "(nan,nan,nan) (0,3,0) (0,0,4)"])
def test_nrrd_spacing_that_is_not_positive_is_refused(nrrd, refused, directions):
    refused(nrrd(space_directions=directions), "voxel size")


@pytest.mark.parametrize("directions", ["(2,0.5,0) (0,3,0) (0,0,4)", "(2,0,0) (2,0,0) (0,0,4)"])
def test_sheared_nrrd_is_refused(nrrd, refused, directions):
    refused(nrrd(space_directions=directions), "sheared")


@pytest.mark.parametrize("change", [
    {"space": None, "space_directions": None, "space_origin": None},
    {"space": None, "space_directions": None, "space_origin": None, "spacings": "-1 1 1"},
    {"space": "scanner-xyz"},
])  # fmt: skip
def test_nrrd_without_anatomical_space_is_refused(nrrd, refused, change):
    refused(nrrd(**change), "does not say how the image lies")


def test_nrrd_directions_that_span_no_volume_are_refused(nrrd, refused):
    refused(nrrd(dimension="2", sizes="6 20", space_directions="(2,0,0) (0,3,0)"), "2D")


def test_position_that_is_not_finite_is_refused(nrrd, meta, refused):
    refused(nrrd(space_origin="(nan,nan,nan)"), "no position")
    refused(meta(Offset="nan 0 0"), "no position")


@pytest.mark.parametrize("spacing", ["0 3 4", "-2 3 4", "nan 3 4", "inf 3 4"])
def test_metaimage_spacing_that_is_not_positive_is_refused(meta, refused, spacing):
    refused(meta(ElementSpacing=spacing), "voxel size")


@pytest.mark.parametrize(
    "matrix", ["1 0 0 0.2 1 0 0 0 1", "1 0 0 1 0 0 0 0 1", "2 0 0 0 2 0 0 0 2", "nan 0 0 0 1 0 0 0 1"]
)
def test_metaimage_axes_that_are_no_rotation_are_refused(meta, refused, matrix):
    refused(meta(TransformMatrix=matrix), "sheared or scaled")


@pytest.mark.parametrize("field", ["ElementSpacing", "TransformMatrix"])
def test_metaimage_without_spacing_or_direction_is_refused(meta, refused, field):
    refused(meta(**{field: None}), "does not say how the image lies")
