"""A DICOM series is read only if its slices form a regular volume."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    MediaStorageDirectoryStorage,
    MRImageStorage,
    ParametricMapStorage,
    RTDoseStorage,
    RTStructureSetStorage,
    SegmentationStorage,
    SurfaceSegmentationStorage,
    generate_uid,
)
from scipy.spatial.transform import Rotation

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import read_volume

STACK = [(1, 2, 4 * index) for index in range(6)]


def change(path, **fields) -> None:
    data = pydicom.dcmread(path)
    for name, value in fields.items():
        setattr(data, name, value)
    data.save_as(path)


def expected_voxels(folder, count: int) -> np.ndarray:
    """Slices by pydicom in the order of their height, in HU."""
    files = sorted(
        (pydicom.dcmread(folder / f"{i}.dcm") for i in range(count)), key=lambda d: d.ImagePositionPatient[2]
    )
    return np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in files])


def test_slices_are_stacked_by_position_not_by_name(series):
    folder = series([STACK[i] for i in (3, 0, 5, 1, 4, 2)])
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.array[0], expected_voxels(folder, 6))
    assert volume.spacing == (3, 2, 4)
    assert volume.origin == (1, 2, 0)
    assert volume.orientation == "LPS"


def test_oblique_slices_keep_the_positions_of_their_headers(series):
    turned = Rotation.from_euler("xyz", [15, -10, 30], degrees=True).as_matrix()
    axes = tuple(np.round(turned[:, :2].T.ravel(), 6))
    positions = [tuple(np.round((5, 6, 7) + 2.5 * index * turned[:, 2], 4)) for index in range(5)]
    volume = read_volume(series(positions, axes=axes))
    np.testing.assert_allclose(np.reshape(volume.direction, (3, 3)), turned, atol=1e-4)
    np.testing.assert_allclose(volume.origin, (5, 6, 7), atol=1e-4)
    np.testing.assert_allclose(volume.spacing, (3, 2, 2.5), atol=1e-4)


def test_each_slice_keeps_its_own_slope(series):
    folder = series(STACK)
    change(folder / "3.dcm", RescaleSlope=0.5, RescaleIntercept=0.25)
    np.testing.assert_array_equal(read_volume(folder).array[0], expected_voxels(folder, 6))


def test_folder_of_any_name_with_other_files_is_read(series):
    folder = series(STACK, folder="série é 日本 x")
    (folder / "LISEZMOI é.txt").write_text("hello")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "subfolder").mkdir()
    assert read_volume(folder).shape == (6, 5, 6)


def test_contours_beside_the_slices_are_ignored(series):
    """The identifier of contours (...1.481.3) begins as that of MR slices (...1.4)."""
    folder = series(STACK, SOPClassUID=MRImageStorage)
    data = pydicom.dcmread(folder / "0.dcm")
    for name in ("PixelData", "Rows", "Columns"):
        del data[name]
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    data.save_as(folder / "contours.dcm")
    assert read_volume(folder).shape == (6, 5, 6)


def other_object(folder, name: str, sop_class: str, **fields) -> None:
    """Write a DICOM file beside the slices that mentions their class, as lists and results do."""
    data = pydicom.dcmread(folder / "0.dcm")
    data.ReferencedSOPClassUID = data.SOPClassUID
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = sop_class
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for key, value in fields.items():
        setattr(data, key, value)
    data.save_as(folder / name)


@pytest.mark.parametrize("name", ["DICOMDIR", "DIRFILE", "index.dcm"])
def test_list_of_the_files_is_ignored_under_any_name(series, name):
    folder = series(STACK)
    other_object(folder, name, MediaStorageDirectoryStorage)
    assert read_volume(folder).shape == (6, 5, 6)


@pytest.mark.parametrize(
    "sop_class", [SegmentationStorage, RTDoseStorage, ParametricMapStorage, SurfaceSegmentationStorage]
)
@pytest.mark.parametrize("own_series", [True, False])
def test_results_beside_the_slices_are_ignored(series, sop_class, own_series):
    folder = series(STACK)
    uid = {"SeriesInstanceUID": generate_uid()} if own_series else {}
    other_object(folder, "result.dcm", sop_class, **uid)
    assert read_volume(folder).shape == (6, 5, 6)


@pytest.mark.parametrize("position", ["1,5\\2\\8", "1\\nan\\8", "1\\x\\8"])
def test_position_that_is_not_three_numbers_is_refused(series, refused, position):
    folder = series(STACK)
    path = folder / "2.dcm"
    element = b"\x20\x00\x32\x00DS"
    raw = path.read_bytes()
    start = raw.index(element)
    end = start + 8 + int.from_bytes(raw[start + 6 : start + 8], "little")
    value = position.encode() + b" " * (len(position) % 2)
    path.write_bytes(raw[:start] + element + len(value).to_bytes(2, "little") + value + raw[end:])
    with pytest.raises(ImageError, match=r"where a number is needed \(tag 0020,0032\); export") as caught:
        read_volume(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("modality", "inverted"), [("MR", True), ("CR", True), ("CT", False), ("PT", False)])
def test_slices_that_show_low_values_white_are_inverted_unless_they_are_quantities(
    series, modality, inverted
):
    folder = series(STACK, Modality=modality, PhotometricInterpretation="MONOCHROME1")
    volume, values = read_volume(folder), expected_voxels(folder, 6)
    expected = -1 - 2 * 1024 - values if inverted else values  # the stored values are signed
    np.testing.assert_array_equal(volume.array[0], expected)
    assert bool(volume.notes) == inverted


def test_folder_without_dicom_is_refused(tmp_path, refused):
    refused(tmp_path, "without a DICOM")
    (tmp_path / "a.txt").write_text("hello")
    refused(tmp_path, "without a DICOM")


def test_single_dicom_file_is_refused(series, refused):
    refused(series(STACK) / "0.dcm", "single DICOM file", "folder")


def test_two_series_are_refused_with_both_descriptions(series, refused):
    folder = series(STACK, SeriesDescription="Thorax native")
    series(STACK[:4], first=10, SeriesDescription="Scout")
    refused(folder, "2 DICOM series", "Thorax native (6 files)", "Scout (4 files)")


def test_series_descriptions_in_any_script_or_none_are_named(series, refused):
    folder = series(STACK, SpecificCharacterSet="ISO_IR 100", SeriesDescription="Tête é")
    series(STACK, first=10, SpecificCharacterSet="ISO_IR 192", SeriesDescription="頭部")
    series(STACK, first=20)
    refused(folder, "3 DICOM series", "without description")
    with pytest.raises(ImageError) as caught:
        read_volume(folder)
    str(caught.value).encode("utf-8")


def test_missing_slice_is_refused(series, refused):
    refused(series([*STACK[:2], *STACK[3:]]), "missing or unevenly spaced", "8 mm", "4 mm elsewhere")


def test_unevenly_spaced_slices_are_refused(series, refused):
    refused(series([*STACK, (1, 2, 22.5)]), "unevenly spaced", "2.5 mm")


def test_slices_uneven_by_rounding_are_read(series):
    assert read_volume(series([(1, 2, z) for z in (0, 3.33, 6.67, 10)])).spacing[2] == pytest.approx(10 / 3)


def test_several_slices_at_one_position_are_refused(series, refused):
    refused(series([*STACK, *STACK]), "same place")


def test_tilted_gantry_is_refused(series, refused):
    refused(series([(1, 2 + index, 4 * index) for index in range(6)]), "sideways")


def test_series_of_one_slice_is_refused(series, refused):
    refused(series(STACK[:1]), "one slice")


@pytest.mark.parametrize("kept", [-30, 600])
def test_truncated_last_slice_is_refused(series, refused, kept):
    """GDCM leaves it out, and the rest would make a whole volume."""
    folder = series(STACK)
    last = folder / "5.dcm"
    last.write_bytes(last.read_bytes()[:kept])
    refused(folder, "5.dcm: a damaged or truncated")


@pytest.mark.parametrize("field", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_slices_without_geometry_are_refused(series, refused, field):
    refused(series(STACK, **{field: None}), "without position, orientation or pixel size")


def test_pixel_size_of_zero_is_refused(series, refused):
    refused(series(STACK, PixelSpacing=[0, 2]), "voxel size")


def test_axes_that_are_not_at_right_angles_are_refused(series, refused):
    refused(series(STACK, axes=(1, 0, 0, 0.2, 0.98, 0)), "sheared")


@pytest.mark.parametrize("fields", [
    {"PixelSpacing": [2, 2.5]},
    {"ImageOrientationPatient": [0, 1, 0, -1, 0, 0]},
    {"Rows": 6, "PixelData": np.zeros((6, 6), np.int16).tobytes()},
])  # fmt: skip
def test_slices_of_different_geometry_are_refused(series, refused, fields):
    folder = series(STACK)
    change(folder / "2.dcm", **fields)
    refused(folder, "differ in size or orientation", "2.dcm")


def test_color_slices_are_refused(series, refused):
    fields = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    fields |= {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    refused(series(STACK, **fields, PixelData=np.zeros((5, 6, 3), np.uint8).tobytes()), "color")


def test_multi_frame_file_is_refused(series, refused):
    frames = np.zeros((4, 5, 6), np.int16).tobytes()
    uid = generate_uid()
    refused(series(STACK[:1], uid=uid, NumberOfFrames=4, PixelData=frames), "many frames")


def test_constant_series_is_refused(series, refused):
    refused(series(STACK, PixelData=np.zeros((5, 6), np.int16).tobytes()), "every voxel is -1024")
