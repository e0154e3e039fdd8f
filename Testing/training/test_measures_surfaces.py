"""Distances of surfaces and boxes around masks, against another library and the whole image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import distance_transform_edt

from trustseg_training.measures.boxes import bounding_box, within
from trustseg_training.measures.surfaces import surface_distances


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy balls, one of which touches the border of the image."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(14.0),) * 3, indexing="ij"))
    near, far = (np.sqrt(((grid - center) ** 2).sum(0)) for center in (3, 4))
    return tuple(each + generator.normal(0, 0.5, each.shape) < 4.2 for each in (near, far))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.7, 2.0)])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_surfaces_are_as_far_apart_as_monai_says(seed, spacing):
    prediction, truth = blobs(seed)
    found = surface_distances(prediction, truth, spacing)
    masks = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, truth)]
    steps = list(spacing[::-1])
    hd95 = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=steps)
    share = compute_surface_dice(*masks, [1.0], include_background=True, spacing=steps)
    assert found.hd95_mm == pytest.approx(float(hd95), rel=1e-6)
    assert found.share_within(1.0) == pytest.approx(float(share), rel=1e-6)


def test_surface_of_an_empty_mask_is_nowhere():
    full = np.ones((3, 3, 3), bool)
    assert surface_distances(full, ~full, (1.0, 1.0, 1.0)) is None
    assert surface_distances(~full, full, (1.0, 1.0, 1.0)) is None


def test_three_small_voxels_are_not_farther_than_their_sum():
    """Three times 0.1 mm is 0.30000000000000004 mm."""
    one, other = np.zeros((1, 1, 40), bool), np.zeros((1, 1, 40), bool)
    one[..., 7], other[..., 10] = True, True
    assert surface_distances(one, other, (0.1, 0.1, 0.1)).share_within(0.3) == 1.0


@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_within_a_distance_is_that_of_the_whole_image(seed):
    mask = blobs(seed)[0]
    np.testing.assert_array_equal(within(mask, 3), distance_transform_edt(~mask) <= 3)


def test_nothing_is_near_an_empty_mask():
    assert not within(np.zeros((4, 4, 4), bool), 3).any()


def test_box_stays_in_the_image_and_holds_the_margin():
    mask = np.zeros((5, 9, 9), bool)
    mask[0, 4, 3:7] = True
    assert bounding_box(mask) == (slice(0, 1), slice(4, 5), slice(3, 7))
    assert mask[bounding_box(mask, 2)].shape == (3, 5, 8)
