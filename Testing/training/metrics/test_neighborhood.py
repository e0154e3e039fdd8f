"""The voxels near a structure, on single voxels and against the distance in the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt, generate_binary_structure

from trustseg_training.metrics.neighborhood import near_structures, within


def blob(seed: int) -> np.ndarray:
    """A noisy ball that touches the border of the image."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(14.0),) * 3, indexing="ij"))
    distance = np.sqrt(((grid - 3) ** 2).sum(0))
    return distance + generator.normal(0, 0.5, distance.shape) < 4.2


def test_ball_of_three_voxels_is_near_a_voxel():
    foreground = np.zeros((12, 12, 12), bool)
    foreground[6, 6, 6] = True
    near = within(foreground)
    assert near[6, 6, 6]
    assert near[6, 6, 9]
    assert not near[6, 6, 10]
    assert not near[6, 8, 9]  # sqrt(13) voxels away
    grid = np.stack(np.meshgrid(*(np.arange(12),) * 3, indexing="ij"))
    assert near.sum() == (((grid - 6) ** 2).sum(0) <= 9).sum()


@pytest.mark.parametrize("seed", [0, 1])
def test_voxels_within_a_distance_equal_those_of_the_whole_image(seed):
    mask = blob(seed)
    np.testing.assert_array_equal(within(mask, 3), distance_transform_edt(~mask) <= 3)


def test_empty_mask_has_no_near_voxels():
    assert not within(np.zeros((4, 4, 4), bool), 3).any()


def test_voxels_near_truth_or_prediction_are_near_the_structures():
    truth, prediction = np.zeros((2, 15, 15, 15), np.uint8)
    truth[7, 7, 3], prediction[7, 7, 11] = 1, 2
    near = near_structures(truth, prediction)
    assert near[7, 7, 0]
    assert near[7, 10, 11]
    assert not near[7, 11, 11]
    assert near[9, 9, 4]  # a distance of 3 exactly
    assert not near[9, 9, 5]
    ball = binary_dilation((truth + prediction) > 0, generate_binary_structure(3, 1), iterations=3)
    assert near[ball].all()
    assert not near_structures(truth * 0, prediction * 0).any()
