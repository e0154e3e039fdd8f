"""The numbers of a data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from trustseg_training.dataset.fingerprint import PERCENTILES, measure


def _write(path: Path, array: np.ndarray, spacing=(1.0, 2.0, 4.0)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def blocks(tmp_path) -> Path:
    """Two images of 10 x 8 x 6 voxels; 48 voxels of value 1 and, in the second one, 6 of value 4."""
    for index in range(2):
        image = np.arange(480, dtype=np.float32).reshape(6, 8, 10)
        label = np.zeros((6, 8, 10), np.uint8)
        label[0:2, 0:4, 0:6] = 1
        label[5, 7, 0:6] = 4 * index
        _write(tmp_path / "imagesTr" / f"c{index}.nii.gz", image + index)
        _write(tmp_path / "labelsTr" / f"c{index}.nii.gz", label)
    labels = {"0": "background", "1": "edema", "4": "core"}
    (tmp_path / "dataset.json").write_text(json.dumps({"modality": {"0": "MRI"}, "labels": labels}))
    return tmp_path


def test_measured_numbers_are_those_of_the_files(blocks):
    fingerprint = measure(blocks)
    assert (fingerprint.images, fingerprint.patients, fingerprint.splits) == (2, 2, {})
    assert fingerprint.spacings.tolist() == [[1, 2, 4]] * 2
    assert fingerprint.sizes.tolist() == [[10, 8, 6]] * 2
    assert fingerprint.channels == ("MRI",)
    assert fingerprint.values == {1: "edema", 4: "core"}
    assert fingerprint.volumes_ml[1] == pytest.approx([48 * 8e-3] * 2)
    assert fingerprint.volumes_ml[4] == pytest.approx([6 * 8e-3])
    assert fingerprint.foreground == pytest.approx((48 + 54) / 2 / 480)
    median = fingerprint.intensities[0, PERCENTILES.index(50)]
    assert median == pytest.approx(240)
    assert fingerprint.inside[0, PERCENTILES.index(50)] < median
