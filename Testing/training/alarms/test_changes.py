"""Changes of images with their labels: what a cut hides, what a thick slice is, and where it lies."""

from __future__ import annotations

import numpy as np
import pytest

from trustseg_training.alarms.changes import CHANGES, cut, invert, thick_slices
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume

LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SPACING = (1.0, 1.0, 2.0)


def case(shape=(24, 26, 28)) -> tuple[Volume, Volume]:
    """An image of its own first index, and a box of two labels in its middle."""
    places = np.indices(shape).astype(np.float32)
    array = places[0] * 10000 + places[1] * 100 + places[2]
    labels = np.zeros(shape, np.uint8)
    labels[6:18, 6:20, 6:14], labels[6:18, 6:20, 14:22] = 1, 2
    image = Volume(array[None], SPACING, (5.0, -3.0, 9.0), LPS)
    return image, image.with_array(labels[None])


def seeds() -> list[np.random.Generator]:
    """Enough of them that every axis and every side is drawn."""
    return [np.random.default_rng(seed) for seed in range(24)]


def position(volume: Volume, index: tuple[int, int, int]) -> np.ndarray:
    """Of a voxel (z, y, x), in mm."""
    return volume.origin + np.array(index[::-1]) * volume.spacing


def test_cut_removes_this_depth_of_the_structures_and_counts_what_it_hides():
    image, truth = case()
    faces = set()
    for generator in seeds():
        changed = cut(4.0, image, truth, generator)
        lost = [own - left for own, left in zip(image.shape, changed.image.shape, strict=True)]
        (axis,) = np.flatnonzero(lost)
        outside = {0: (6, 6), 1: (6, 6), 2: (6, 6)}[axis]
        depth = 2 if axis == 0 else 4  # voxels: those along z are 2 mm
        assert lost[axis] == outside[0] + depth
        faces.add((axis, tuple(changed.image.origin) == image.origin))
        for label in (1, 2):
            seen = (changed.truth.array == label).sum() * truth.voxel_volume_ml
            whole = (truth.array == label).sum() * truth.voxel_volume_ml
            assert changed.hidden_ml[label] == pytest.approx(whole - seen)
        assert sum(changed.hidden_ml.values()) > 0
    assert len(faces) == 6


@pytest.mark.parametrize("name", ["cut-4mm", "slices-2x", "slices-3x", "interpolated-2x"])
def test_voxels_stay_where_they_are_in_the_patient(name):
    """The image is linear, so that an interpolated or averaged value tells the position."""
    image, truth = case()
    for generator in seeds():
        changed = CHANGES[name](image, truth, generator).image
        inner = tuple(size // 2 for size in changed.shape)
        index = (position(changed, inner) - position(image, (0, 0, 0))) / image.spacing
        expected = index @ (1, 100, 10000)
        assert changed.array[(0, *inner)] == pytest.approx(expected, rel=1e-4)


def test_thick_slices_are_means_of_thin_ones_with_the_label_of_most():
    image, truth = case()
    for generator in seeds():
        changed = thick_slices(3, False, image, truth, generator)
        ratio = np.array(changed.image.spacing) / SPACING
        assert sorted(ratio) == pytest.approx([1, 1, 3])
        axis = 2 - int(np.argmax(ratio))
        parts = np.split(
            truth.array[0].take(range(truth.shape[axis] // 3 * 3), axis), truth.shape[axis] // 3, axis
        )
        slices = [changed.truth.array[0].take([index], axis) for index in range(len(parts))]
        for thin, thick in zip(parts, slices, strict=True):
            most = np.stack([(thin == label).sum(axis, keepdims=True) for label in range(3)]).argmax(0)
            assert (thick == most).all()


def test_labels_of_two_slices_that_differ_do_not_shrink():
    image, truth = case()
    shifted = truth.with_array(np.roll(truth.array, 1, axis=1))  # the box begins and ends within thick slices
    volumes = []
    for generator in seeds():
        changed = thick_slices(2, False, image, shifted, generator)
        volumes.append((changed.truth.array > 0).sum() * changed.truth.voxel_volume_ml)
    assert np.mean(volumes) == pytest.approx((truth.array > 0).sum() * truth.voxel_volume_ml, rel=0.02)


def test_interpolated_slices_are_on_the_grid_of_the_labels():
    image, truth = case()
    for generator in seeds():
        changed = thick_slices(2, True, image, truth, generator)
        assert changed.image.same_grid(changed.truth)
        assert changed.image.spacing == pytest.approx(SPACING)


def test_inversion_keeps_the_range():
    image, truth = case()
    changed = invert(image, truth, np.random.default_rng(0))
    assert changed.truth is truth
    assert changed.image.array.min() == image.array.min()
    assert np.corrcoef(changed.image.array.ravel(), image.array.ravel())[0, 1] == pytest.approx(-1)


@pytest.mark.parametrize("name", ["cut-8mm", "slices-3x"])
def test_image_that_is_too_small_is_refused(name):
    image, truth = case((24, 26, 28))
    small = [each.with_array(each.array) for each in (image, truth)]
    small = [Volume(each.array[:, 8:16, 8:16, 8:16], SPACING, (0, 0, 0), LPS) for each in small]
    for generator in seeds():
        with pytest.raises(ImageError):
            CHANGES[name](*small, generator)


def test_cut_needs_a_structure():
    image, truth = case()
    with pytest.raises(ImageError, match="no structure"):
        cut(2.0, image, truth.with_array(0 * truth.array), np.random.default_rng(0))
