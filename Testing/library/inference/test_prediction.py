"""The class moments that a mask and its maps are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from TrustSegLib.bundle import find_bundle, load_bundle
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import orient, read_volume
from TrustSegLib.imaging.grid import Box
from TrustSegLib.inference import Cancelled, Roi, SegmentOptions, class_moments, segment
from TrustSegLib.inference.prediction import body_box
from TrustSegLib.inference.sliding_window import patch_starts
from TrustSegLib.uncertainty import uncertainty_map

SAMPLE = Path(__file__).parents[3] / "TrustSeg" / "Resources" / "SampleData" / "hippocampus_223.nii.gz"


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(find_bundle(Path("hippocampus-t1")))


def test_mask_and_maps_equal_those_of_the_class_moments(bundle):
    volume, options = read_volume(SAMPLE), SegmentOptions(device="cpu", maps=("predictive_variance",))
    mean, variance = class_moments(volume, bundle, options)
    result = segment(volume, bundle, options)
    assert mean.shape == variance.shape == (3, *volume.array.shape[1:])
    np.testing.assert_allclose(mean.sum(axis=0), 1, atol=1e-4)
    np.testing.assert_array_equal(mean.argmax(axis=0), result.labels.array[0])
    expected = uncertainty_map("predictive_variance", mean, variance)
    np.testing.assert_allclose(result.maps["predictive_variance"].array[0], expected, atol=1e-5)


def test_region_of_interest_is_refused_for_class_moments(bundle):
    with pytest.raises(OptionError, match="roi"):
        class_moments(read_volume(SAMPLE), bundle, SegmentOptions(roi=Roi.parse("0,5,0,5,0,5")))


def _body_in_air(make_volume, shape=(40, 44, 60)):
    """An image in which nothing but a body is above the lowest value."""
    volume = make_volume(shape)
    array = np.zeros_like(volume.array)
    array[:, :, 16:30, 20:36] = 0.2 + 0.8 * volume.array[:, :, 16:30, 20:36]
    return volume.with_array(array)


def test_window_is_laid_over_the_body_and_what_is_around_it_is_background(make_volume, make_model, pointwise):
    volume, plans = _body_in_air(make_volume), []
    result = segment(volume, make_model(pointwise), SegmentOptions(device="cpu"), planned=plans.append)
    # A quarter of a patch of 8 voxels around the body.
    assert plans[0].seen == (16 + 4, 14 + 4, 40)
    assert plans[0].patches < len(patch_starts(volume.shape, (8, 8, 8), 0.5))
    assert result.provenance["patches"] == plans[0].patches
    body = volume.array[0] > 0
    expected = 0.1 + 0.8 * volume.array[0]
    np.testing.assert_array_equal(result.labels.array[0], expected > 0.5)
    error = result.maps["error_probability"].array[0]
    np.testing.assert_allclose(error[body], np.minimum(expected, 1 - expected)[body], atol=1e-6)
    np.testing.assert_array_equal(error[:, :10], 0.0)


def test_noise_in_the_air_keeps_the_whole_image(make_volume):
    array = make_volume((20, 24, 28)).array
    array[0, 0, 0, 0] = -1.0
    assert body_box(array, (8, 8, 8)) == Box((0, 0, 0), (20, 24, 28))


def test_box_of_the_body_is_at_least_a_patch_and_within_the_image():
    array = np.full((2, 30, 30, 30), -1.5, np.float32)
    assert body_box(array, (8, 8, 8)) == Box((0, 0, 0), (30, 30, 30))
    array[1, 29, 15, 2] = 0.0
    box = body_box(array, (8, 12, 8))
    assert box.shape == (8, 12, 8)
    assert box.lower[0] == 22
    assert box.lower[1] <= 12
    assert box.upper[1] >= 19


def test_turned_image_whose_air_is_left_out_is_not_interpolated(make_volume, make_model, pointwise):
    volume = orient(_body_in_air(make_volume), "PIR")
    result = segment(volume, make_model(pointwise), SegmentOptions(device="cpu"))
    expected = 0.1 + 0.8 * volume.array[0]
    body = volume.array[0] > 0
    found = result.maps["error_probability"].array[0]
    np.testing.assert_allclose(found[body], np.minimum(expected, 1 - expected)[body], atol=1e-6)


@pytest.mark.parametrize("step", [1, 2])
def test_preparation_can_be_cancelled_between_its_steps(make_volume, make_model, pointwise, step):
    done = []
    with pytest.raises(Cancelled):
        segment(
            make_volume(spacing=(2, 2, 2)),
            make_model(pointwise),
            SegmentOptions(device="cpu"),
            progress=done.append,
            cancelled=lambda: len(done) == step,
        )
    assert [progress.stage for progress in done] == ["prepare"] * step
