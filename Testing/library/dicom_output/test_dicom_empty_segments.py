"""Structures that were not found are still segments; a file without any frame would be no image."""

from __future__ import annotations

from dataclasses import replace

import highdicom
import numpy as np
import pydicom

from TrustSegLib.dicom_output import write_dicom


def written(result, labels: np.ndarray, description, series, folder):
    result = replace(result, labels=result.labels.with_array(labels))
    return write_dicom(result, description, series, folder)[0]


def test_an_empty_mask_keeps_every_slice_of_every_segment(sample, result_of, description, tmp_path, capfd):
    source = sample()
    result = result_of(source)
    empty = np.zeros_like(result.labels.array)
    path = written(result, empty, description, source.folder, tmp_path)
    assert "".join(capfd.readouterr()) == ""
    assert pydicom.dcmread(path).NumberOfFrames == 2 * 12
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    assert volume.spatial_shape == empty.shape[1:]
    assert not volume.array.any()


def test_a_segment_without_voxels_is_described_and_has_no_frames(sample, result_of, description, tmp_path):
    source = sample()
    result = result_of(source)
    first = np.where(result.labels.array == 1, 1, 0).astype(np.uint8)
    path = written(result, first, description, source.folder, tmp_path)
    segmentation = highdicom.seg.segread(path)
    assert list(segmentation.segment_numbers) == [1, 2]
    assert segmentation.NumberOfFrames == first.any(axis=(0, 2, 3)).sum()
    volume = segmentation.get_volume(segment_numbers=[2])
    assert not volume.array.any()
    assert segmentation.get_volume(segment_numbers=[1]).array.sum() == first.sum()
