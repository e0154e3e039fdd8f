"""What other libraries read back from the DICOM results: every voxel, at its place in the patient."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from highdicom.pm.sop import pmread

from TrustSegLib.dicom_output import write_dicom
from TrustSegLib.imaging import Volume, read_volume

LPS_TOLERANCE_MM = 1e-4  # positions are written with six decimals


@pytest.fixture(params=[False, True], ids=["slices in order", "slices reversed"])
def written(request, sample, result_of, description, tmp_path):
    """Series, result, segmentation file and map file."""
    source = sample(reverse=request.param)
    result = result_of(source)
    segmentation, uncertainty, _ = write_dicom(result, description, source.folder, tmp_path)
    return source, result, segmentation, uncertainty


def frame_places(data: pydicom.Dataset) -> list[np.ndarray]:
    """Patient coordinates of each frame's voxels, (rows, columns, 3) LPS mm, from the file alone."""
    shared = data.SharedFunctionalGroupsSequence[0]
    across, down = np.reshape(
        np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float), (2, 3)
    )
    row_distance, column_distance = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    rows, columns = np.indices((data.Rows, data.Columns))[..., None]
    return [
        np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        + columns * column_distance * across
        + rows * row_distance * down
        for group in data.PerFrameFunctionalGroupsSequence
    ]


def sorted_places(places: np.ndarray) -> np.ndarray:
    rounded = np.round(places, 2)
    return places[np.lexsort(rounded.T)]


def voxel_places(volume, label: int) -> np.ndarray:
    z, y, x = np.nonzero(volume.array[0] == label)
    return (volume.index_to_lps @ np.stack([x, y, z, np.ones_like(x)]))[:3].T


def check_segments_lie_on(labels, path: Path) -> None:
    data = pydicom.dcmread(path)
    places, frames = frame_places(data), data.pixel_array.astype(bool)
    numbers = [
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for group in data.PerFrameFunctionalGroupsSequence
    ]
    for label in (1, 2):
        found = [places[i][frames[i]] for i, number in enumerate(numbers) if number == label]
        found, expected = np.concatenate(found), voxel_places(labels, label)
        assert len(found) == len(expected) > 100
        np.testing.assert_allclose(sorted_places(found), sorted_places(expected), atol=LPS_TOLERANCE_MM)


def test_every_segment_has_the_position_of_its_labels(written):
    source, _, path, _ = written
    check_segments_lie_on(source.labels, path)


def test_result_with_reversed_slices_has_the_same_positions(sample, result_of, description, tmp_path):
    """Slices are matched by where they lie; the order of the files is the other one."""
    source = sample()
    result = result_of(source)
    last = result.labels.index_to_lps @ (0, 0, result.labels.shape[0] - 1, 1)
    direction = tuple((np.reshape(result.labels.direction, (3, 3)) * (1, 1, -1)).ravel())
    labels, error = (
        replace(volume, array=volume.array[:, ::-1], origin=tuple(last[:3]), direction=direction)
        for volume in (result.labels, result.maps["error_probability"])
    )
    turned = replace(result, labels=labels, maps={"error_probability": error})
    segmentation, uncertainty, _ = write_dicom(turned, description, source.folder, tmp_path)
    check_segments_lie_on(source.labels, segmentation)
    np.testing.assert_array_equal(
        pydicom.dcmread(uncertainty).pixel_array, result.maps["error_probability"].array[0]
    )


def test_every_frame_refers_to_the_file_at_its_position(written):
    source, _, *paths = written
    positions = {
        data.SOPInstanceUID: np.array(data.ImagePositionPatient, dtype=float)
        for data in map(pydicom.dcmread, source.folder.iterdir())
    }
    for path in paths:
        data = pydicom.dcmread(path)
        for group in data.PerFrameFunctionalGroupsSequence:
            referred = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
            np.testing.assert_allclose(place, positions[referred], atol=LPS_TOLERANCE_MM)
        series = data.ReferencedSeriesSequence[0]
        assert {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence} == set(positions)


def same_place(volume: highdicom.Volume, grid) -> None:
    """highdicom's axes are (slice, row, column), ours (x, y, z)."""
    for index in [(0, 0, 0), (0, 0, grid.shape[0] - 1), (grid.size[0] - 1, 3, 2)]:
        place = grid.index_to_lps @ (*index, 1)
        back = volume.map_reference_to_indices(place[None, :3])[0]
        np.testing.assert_allclose(back, index[::-1], atol=1e-3)


def turned_like(volume: highdicom.Volume, grid) -> highdicom.Volume:
    """Turn highdicom's order of the slices into ours, by the affine alone."""
    along = grid.index_to_lps[:3, 2] @ volume.affine[:3, 0]
    return volume if along > 0 else volume.flip_spatial(0)


def test_highdicom_reads_the_same_mask_on_the_same_grid(written):
    _, result, path, _ = written
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    volume = turned_like(volume, result.labels)
    same_place(volume.pad_to_spatial_shape(result.labels.shape), result.labels)
    np.testing.assert_array_equal(volume.array, result.labels.array[0])


def test_highdicom_reads_the_same_probabilities_on_the_same_grid(written):
    _, result, _, path = written
    volume = turned_like(pmread(path).get_volume(), result.labels)
    same_place(volume, result.labels)
    # float32 in, float32 out, identity mapping: not one bit may change.
    np.testing.assert_array_equal(volume.array, result.maps["error_probability"].array[0])


def test_frames_of_the_map_follow_each_other_along_their_normal(written):
    """dcmqi goes by the frames' order and not by their positions."""
    data = pydicom.dcmread(written[3])
    places = [frame[0, 0] for frame in frame_places(data)]
    orientation = data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    normal = np.cross(*np.reshape(np.array(orientation, dtype=float), (2, 3)))
    np.testing.assert_allclose(np.diff(places, axis=0) @ normal, 2.5, atol=1e-4)
    order = [
        group.FrameContentSequence[0].DimensionIndexValues for group in data.PerFrameFunctionalGroupsSequence
    ]
    assert [int(np.ravel(index)[0]) for index in order] == list(range(1, 13))


def test_pydicom_reads_each_probability_at_its_place(written):
    _, result, _, path = written
    data = pydicom.dcmread(path)
    error = result.maps["error_probability"]
    for places, frame in zip(frame_places(data), data.pixel_array, strict=True):
        indices = np.linalg.inv(error.index_to_lps) @ np.vstack(
            [places.reshape(-1, 3).T, np.ones(frame.size)]
        )
        x, y, z = np.rint(indices[:3]).astype(int)
        np.testing.assert_array_equal(frame.ravel(), error.array[0, z, y, x])


def test_itk_reads_the_frames_of_the_segmentation(written):
    path: Path = written[2]
    frames = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    expected = pydicom.dcmread(path).pixel_array
    # GDCM leaves the last byte unread where the file's voxels do not fill it.
    whole = slice(expected.size // 8 * 8)
    np.testing.assert_array_equal(frames.ravel()[whole] > 0, expected.ravel()[whole] > 0)
    assert frames.shape == expected.shape


ORIENTATIONS = {
    "oblique": None,  # the sample's
    "axial": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "sagittal": (0, 0, 1, 1, 0, 0, 0, -1, 0),
    "coronal": (1, 0, 0, 0, 0, 1, 0, -1, 0),
}


def dcmqi(program: str, path: Path, folder: Path) -> list[Volume]:
    """Convert a DICOM file with a program of dcmqi, with which 3D Slicer reads it; the images in order."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = shutil.which(program, path=places)
    if command is None:
        pytest.skip(f"needs {program} of dcmqi, of which there is no package for this system")
    folder.mkdir()
    options = ["--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd", "--prefix", "read"]
    done = subprocess.run([command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("W:", "E:"))]
    return [read_volume(image) for image in sorted(folder.glob("*.nrrd"))]


def check_grid(volume: Volume, grid: Volume) -> None:
    assert volume.shape == grid.shape
    np.testing.assert_allclose(volume.index_to_lps, grid.index_to_lps, atol=LPS_TOLERANCE_MM)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_dcmqi_reads_the_same_map_and_mask_on_the_same_grid(
    orientation, sample, result_of, description, tmp_path
):
    source = sample(direction=ORIENTATIONS[orientation])
    result = result_of(source)
    segmentation, uncertainty, _ = write_dicom(result, description, source.folder, tmp_path)
    (error,) = dcmqi("paramap2itkimage", uncertainty, tmp_path / "map")
    check_grid(error, result.labels)
    np.testing.assert_array_equal(error.array, result.maps["error_probability"].array)
    # One image for each segment, as neighbors overlap where they touch.
    masks = dcmqi("segimage2itkimage", segmentation, tmp_path / "mask")
    for label, mask in enumerate(masks, start=1):
        check_grid(mask, result.labels)
        np.testing.assert_array_equal(mask.array > 0, result.labels.array == label)
    assert len(masks) == 2
