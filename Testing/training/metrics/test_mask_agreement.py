"""Each measure of agreement against a case worked out by hand and against a second library."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from trustseg_training.metrics import agreement, dice, hd95, iou
from trustseg_training.metrics.mask_agreement import surface_distances

SPACING = (0.5, 1.0, 2.0)


def _cubes() -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth of 4 x 4 x 4 voxels that share 2 x 4 x 4; the shift is along x."""
    truth = np.zeros((12, 12, 12), bool)
    truth[2:6, 2:6, 2:6] = True
    return np.roll(truth, 2, axis=2), truth


def _blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(16.0),) * 3, indexing="ij"))
    distance = np.sqrt(((grid - 8) ** 2).sum(0))
    return tuple(distance + generator.normal(0, 0.6, distance.shape) < radius for radius in (4.5, 5.0))


def test_shifted_cubes_have_the_values_worked_out_by_hand():
    measured = agreement(*_cubes(), SPACING)
    assert measured.dice == pytest.approx(2 * 32 / 128)
    assert measured.iou == pytest.approx(32 / 96)
    assert measured.over_segmentation == pytest.approx(32 / 96)
    assert measured.under_segmentation == pytest.approx(32 / 96)
    assert measured.hd95_mm == pytest.approx(2 * 0.5)
    assert measured.volume_ml == pytest.approx(0.064)
    assert measured.volume_error_ml == 0


def test_larger_prediction_oversegments_with_a_positive_volume_error():
    _, truth = _cubes()
    larger = truth.copy()
    larger[6] = truth[5]
    measured = agreement(larger, truth, SPACING)
    assert (measured.over_segmentation, measured.under_segmentation) == (pytest.approx(16 / 80), 0)
    assert measured.volume_error_ml == pytest.approx(0.016)
    assert measured.volume_bias == pytest.approx(0.25)
    assert agreement(larger, truth & False, SPACING).volume_bias is None
    opposite = agreement(truth, larger, SPACING)
    assert (opposite.over_segmentation, opposite.under_segmentation) == (0, pytest.approx(16 / 80))
    assert opposite.volume_error_ml == pytest.approx(-0.016)
    assert opposite.volume_bias == pytest.approx(-0.2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_overlap_agrees_with_simpleitk(seed):
    prediction, truth = _blobs(seed)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (prediction, truth)))
    measured = agreement(prediction, truth, SPACING)
    assert measured.dice == pytest.approx(overlap.GetDiceCoefficient())
    assert measured.iou == pytest.approx(overlap.GetJaccardCoefficient())
    union = (prediction | truth).sum()
    assert measured.under_segmentation == pytest.approx(overlap.GetFalseNegativeError() * truth.sum() / union)
    over = overlap.GetFalseDiscoveryRate() * prediction.sum() / union
    assert measured.over_segmentation == pytest.approx(over)
    assert measured.over_segmentation + measured.under_segmentation == pytest.approx(1 - measured.iou)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_surface_distance_agrees_with_nearest_neighbors_of_the_surfaces(seed):
    prediction, truth = _blobs(seed)
    scale = np.array(SPACING[::-1])
    surfaces = [np.argwhere(mask & ~binary_erosion(mask)) * scale for mask in (prediction, truth)]
    ways = [cKDTree(b).query(a)[0] for a, b in (surfaces, surfaces[::-1])]
    expected = max(np.percentile(way, 95) for way in ways)
    assert hd95(prediction, truth, SPACING) == pytest.approx(expected, rel=1e-5)


def test_empty_structures_are_defined():
    empty, full = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    both, one = agreement(empty, empty, SPACING), agreement(full, empty, SPACING)
    assert (both.dice, both.iou, both.hd95_mm) == (1, 1, None)
    assert (both.over_segmentation, both.under_segmentation, both.volume_ml) == (0, 0, 0)
    assert (one.dice, one.iou, one.hd95_mm) == (0, 0, None)
    assert (one.over_segmentation, one.under_segmentation) == (1, 0)
    assert dice(empty, full) == iou(empty, full) == 0


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy balls, one of which touches the border of the image."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(14.0),) * 3, indexing="ij"))
    near, far = (np.sqrt(((grid - center) ** 2).sum(0)) for center in (3, 4))
    return tuple(each + generator.normal(0, 0.5, each.shape) < 4.2 for each in (near, far))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.7, 2.0)])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_surface_distances_agree_with_monai(seed, spacing):
    prediction, truth = blobs(seed)
    found = surface_distances(prediction, truth, spacing)
    masks = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, truth)]
    steps = list(spacing[::-1])
    hd95 = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=steps)
    share = compute_surface_dice(*masks, [1.0], include_background=True, spacing=steps)
    assert found.hd95_mm == pytest.approx(float(hd95), rel=1e-6)
    assert found.share_within(1.0) == pytest.approx(float(share), rel=1e-6)


def test_empty_mask_has_no_surface_distances():
    full = np.ones((3, 3, 3), bool)
    assert surface_distances(full, ~full, (1.0, 1.0, 1.0)) is None
    assert surface_distances(~full, full, (1.0, 1.0, 1.0)) is None


def test_distance_of_three_small_voxels_is_within_their_sum():
    """Three times 0.1 mm is 0.30000000000000004 mm."""
    one, other = np.zeros((1, 1, 40), bool), np.zeros((1, 1, 40), bool)
    one[..., 7], other[..., 10] = True, True
    assert surface_distances(one, other, (0.1, 0.1, 0.1)).share_within(0.3) == 1.0
