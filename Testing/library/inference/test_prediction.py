"""The class moments that a mask and its maps are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from TrustSegLib.bundle import find_bundle, load_bundle
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import read_volume
from TrustSegLib.inference import Roi, SegmentOptions, class_moments, segment
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
