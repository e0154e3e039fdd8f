"""Outlines of masks: the voxels whose centers lie within are those of the mask, whatever its form."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path
from scipy import ndimage

from TrustSegLib.dicom_output.contours import outlines


def filled(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Voxels with their center in an odd number of the polygons, by matplotlib."""
    y, x = np.indices(shape)
    centers = np.column_stack([x.ravel(), y.ravel()])
    inside = [Path(np.vstack([each, each[:1]]), closed=True).contains_points(centers) for each in polygons]
    return (np.sum(inside, axis=0).reshape(shape) % 2 == 1) if inside else np.zeros(shape, bool)


def disk(size: int, center: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.indices((size, size))
    return np.hypot(y - center[0], x - center[1]) < radius


def test_voxel_is_a_diamond_around_its_center():
    mask = np.zeros((4, 5), bool)
    mask[1, 3] = True
    (outline,) = outlines(mask)
    assert {tuple(point) for point in outline.tolist()} == {(3, 0.5), (2.5, 1), (3, 1.5), (3.5, 1)}


def test_straight_sides_have_no_points_between_their_ends():
    mask = np.zeros((12, 14), bool)
    mask[2:9, 3:11] = True
    (outline,) = outlines(mask)
    assert len(outline) == 8
    assert outline.min(axis=0).tolist() == [2.5, 1.5]
    assert outline.max(axis=0).tolist() == [10.5, 8.5]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_random_masks_come_back_voxel_by_voxel(share):
    """With islands in holes, voxels that meet at corners, and the border of the slice."""
    random = np.random.default_rng(int(10 * share))
    for _ in range(10):
        mask = random.random((17, 23)) < share
        found = outlines(mask)
        np.testing.assert_array_equal(filled(found, mask.shape), mask)
        assert len(found) == ndimage.label(mask)[1]


def test_smooth_masks_come_back_voxel_by_voxel():
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(4, 60, 70)), (0, 3, 3))
    for mask in noise > 0:
        np.testing.assert_array_equal(filled(outlines(mask), mask.shape), mask)


def test_ring_is_one_polygon_and_an_island_in_it_another():
    ring = disk(41, (20, 20), 18) & ~disk(41, (20, 20), 12)
    mask = ring | disk(41, (21, 19), 6)
    found = outlines(mask)
    assert len(outlines(ring)) == 1
    assert len(found) == 2
    # Each polygon by itself, as by readers that add polygons up.
    by_itself = [filled([each], mask.shape) for each in found]
    np.testing.assert_array_equal(sum(each.astype(int) for each in by_itself), mask)


def test_empty_and_full_slices():
    assert outlines(np.zeros((5, 6), bool)) == []
    (outline,) = outlines(np.ones((5, 6), bool))
    assert outline.max(axis=0).tolist() == [5.5, 4.5]
