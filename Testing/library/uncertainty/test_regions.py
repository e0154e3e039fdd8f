"""Regions to review: found and ranked independently of how the file stores the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty.regions import DOUBTFUL, Region, find_regions, make_field, mark_regions

LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Named:
    label: int
    name: str


STRUCTURES = (Named(1, "Front"), Named(2, "Back"))


def smooth_boundary(labels: np.ndarray) -> np.ndarray:
    """A rim: one doubtful voxel on both sides of every edge of the mask."""
    error = np.zeros(labels.shape, dtype=np.float32)
    for axis in range(3):
        edge = np.diff(labels.astype(int), axis=axis) != 0
        pad = [(0, 0)] * 3
        for side in ((0, 1), (1, 0)):
            pad[axis] = side
            error[np.pad(edge, pad)] = 0.15
    return error


def make(shape=(30, 32, 34), spacing=(1.0, 1.0, 1.0), direction=LPS) -> tuple[Volume, Volume]:
    """A box of two structures with a rim, and beside it an uneven blob of doubt."""
    labels = np.zeros((1, *shape), dtype=np.uint8)
    labels[0, 6:16, 6:16, 6:16] = 1
    labels[0, 6:16, 16:24, 6:16] = 2
    error = smooth_boundary(labels[0])[None]
    error[0, 20:25, 8:12, 21:26] = 0.45
    error[0, 24, 8, 24] = 0.48
    return (
        Volume(error, spacing, (-10.0, 20.0, 5.0), direction),
        Volume(labels, spacing, (-10.0, 20.0, 5.0), direction),
    )


def places(regions: tuple[Region, ...]) -> list[tuple]:
    """What must not depend on the file: all but the index."""
    return [
        (
            one.rank,
            tuple(np.round(one.position_ras_mm, 6)),
            round(one.volume_ml, 9),
            round(one.expected_wrong_ml, 6),
            round(one.peak, 6),
            round(one.mean, 6),
            one.structures,
        )
        for one in regions
    ]


def test_blob_is_found_with_its_position_and_expected_error():
    error, labels = make()
    values = np.zeros_like(error.array)
    values[0, 18:28, 6:14, 18:30] = error.array[0, 18:28, 6:14, 18:30]
    nothing = labels.with_array(np.zeros_like(labels.array))
    (first,) = find_regions(error.with_array(values), nothing, STRUCTURES)
    blob = error.array[0, 20:25, 8:12, 21:26]
    assert first.rank == 1
    assert first.volume_ml == pytest.approx(blob.size / 1000)
    assert first.expected_wrong_ml == pytest.approx(blob.sum() / 1000)
    assert first.peak == pytest.approx(0.48)
    assert first.mean == pytest.approx(blob.mean())
    assert first.structures == ()
    i, j, k = first.index
    assert (20 <= k < 25, 8 <= j < 12, 21 <= i < 26) == (True, True, True)
    lps = error.index_to_lps @ (i, j, k, 1)
    assert first.position_ras_mm == pytest.approx((-lps[0], -lps[1], lps[2]))


def test_rim_counts_less_than_an_island_of_a_tenth_of_its_volume():
    error, labels = make((44, 60, 60))
    rim = np.zeros((1, 44, 60, 60), np.uint8)
    rim[0, 8:36, 8:36, 8:36] = 1
    values = smooth_boundary(rim[0])[None]
    rim_size = np.count_nonzero(values)
    values[0, 20:25, 20:25, 46:51] = 0.45
    found = find_regions(error.with_array(values), labels.with_array(rim), STRUCTURES)
    assert values[0, 20:25, 20:25, 46:51].size < rim_size / 10
    assert found[0].volume_ml == pytest.approx(0.125)
    assert found[0].index[0] in range(46, 51)


def test_even_rim_alone_is_no_region():
    labels = np.zeros((1, 50, 50, 50), np.uint8)
    z, y, x = np.mgrid[:50, :50, :50] - 24.5
    distance = np.sqrt(z**2 + y**2 + x**2) - 17
    labels[0] = distance < 0
    values = (0.5 * np.exp(-np.abs(distance) / 0.6)).astype(np.float32)[None]
    error, mask = Volume(values, (1, 1, 1), (0, 0, 0), LPS), Volume(labels, (1, 1, 1), (0, 0, 0), LPS)
    assert (values > DOUBTFUL).sum() > 5000
    assert find_regions(error, mask, STRUCTURES) == ()


def test_boundary_uncertain_all_around_is_a_region():
    labels = np.zeros((1, 50, 50, 50), np.uint8)
    z, y, x = np.mgrid[:50, :50, :50] - 24.5
    distance = np.sqrt(z**2 + y**2 + x**2) - 14
    labels[0] = distance < 0
    values = (0.5 * np.exp(-np.abs(distance) / 4.0)).astype(np.float32)[None]
    error, mask = Volume(values, (1, 1, 1), (0, 0, 0), LPS), Volume(labels, (1, 1, 1), (0, 0, 0), LPS)
    found = find_regions(error, mask, STRUCTURES)
    assert len(found) == 1
    assert found[0].expected_wrong_ml > 1


def test_case_without_doubtful_voxels_has_no_regions():
    error, labels = make()
    assert find_regions(error.with_array(np.zeros_like(error.array)), labels, STRUCTURES) == ()


def test_doubtful_voxels_without_a_mask_are_a_region():
    error, labels = make()
    found = find_regions(error, labels.with_array(np.zeros_like(labels.array)), STRUCTURES)
    assert found
    assert all(one.structures == () for one in found)


def test_structure_within_one_voxel_is_named_and_one_two_voxels_off_is_not():
    labels = np.zeros((1, 24, 30, 24), np.uint8)
    values = np.zeros((1, 24, 30, 24), np.float32)
    values[0, 9:14, 10:15, 9:14] = 0.4
    labels[0, 9:14, 5:10, 9:14] = 1
    labels[0, 9:14, 16:20, 9:14] = 2
    error, mask = Volume(values, (1, 1, 1), (0, 0, 0), LPS), Volume(labels, (1, 1, 1), (0, 0, 0), LPS)
    assert find_regions(error, mask, STRUCTURES)[0].structures == ("Front",)
    labels[0, 9:14, 15:16, 9:14] = 2
    assert find_regions(error, mask.with_array(labels), STRUCTURES)[0].structures == ("Front", "Back")


@pytest.mark.parametrize("shift", [(3, 0, 0), (0, 5, 0), (2, 7, 11)])
def test_shift_by_whole_voxels_moves_every_region_along_and_changes_nothing_else(shift):
    error, labels = make()
    wider = tuple(size + step for size, step in zip(error.shape, shift, strict=True))
    origin = [at - step for at, step in zip(error.origin, shift[::-1], strict=True)]

    def moved(volume):
        array = np.zeros((1, *wider), volume.array.dtype)
        array[0, shift[0] :, shift[1] :, shift[2] :] = volume.array[0]
        return Volume(array, volume.spacing, origin, LPS)

    before, after = (
        find_regions(error, labels, STRUCTURES),
        find_regions(moved(error), moved(labels), STRUCTURES),
    )
    assert places(after) == places(before)
    assert [tuple(np.subtract(one.index, shift[::-1])) for one in after] == [one.index for one in before]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_file_stored_backwards_along_an_axis_has_the_same_regions(axis):
    error, labels = make(spacing=(0.8, 1.0, 1.7))

    def flipped(volume):
        index_axis = 2 - axis
        matrix = volume.index_to_lps
        origin = matrix[:3, 3] + matrix[:3, index_axis] * (volume.size[index_axis] - 1)
        direction = np.reshape(volume.direction, (3, 3)).copy()
        direction[:, index_axis] *= -1
        array = np.ascontiguousarray(np.flip(volume.array, axis + 1))
        return Volume(array, volume.spacing, tuple(origin), tuple(direction.ravel()))

    assert places(find_regions(flipped(error), flipped(labels), STRUCTURES)) == places(
        find_regions(error, labels, STRUCTURES)
    )


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_file_with_other_axes_first_has_the_same_regions(order):
    error, labels = make(spacing=(0.8, 1.0, 1.7))

    def transposed(volume):
        array = np.ascontiguousarray(volume.array[0].transpose(order))[None]
        columns = [2 - axis for axis in order][::-1]
        direction = np.reshape(volume.direction, (3, 3))[:, columns]
        spacing = tuple(volume.spacing[column] for column in columns)
        return Volume(array, spacing, volume.origin, tuple(direction.ravel()))

    assert places(find_regions(transposed(error), transposed(labels), STRUCTURES)) == places(
        find_regions(error, labels, STRUCTURES)
    )


def test_mirrored_patient_has_mirrored_regions():
    error, labels = make()
    mirrored = (volume.with_array(volume.array[..., ::-1].copy()) for volume in (error, labels))
    before, after = find_regions(error, labels, STRUCTURES), find_regions(*mirrored, STRUCTURES)
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        assert other.expected_wrong_ml == pytest.approx(one.expected_wrong_ml)
        assert error.array[0][one.index[::-1]] == pytest.approx(error.array[0, ..., ::-1][other.index[::-1]])


def test_thickness_is_measured_in_mm_and_not_in_voxels():
    """The same blob of 6 x 6 x 6 mm on a fine and on a coarse grid: one place of one size."""
    sizes = []
    for spacing, cut in (((1.0, 1.0, 1.0), 6), ((1.0, 1.0, 3.0), 2)):
        values = np.zeros((1, 10 * cut, 40, 40), np.float32)
        values[0, 4 * cut : 5 * cut, 17:23, 17:23] = 0.4
        error = Volume(values, spacing, (0, 0, 0), LPS)
        (one,) = find_regions(error, error.with_array(np.zeros_like(values, np.uint8)), STRUCTURES)
        sizes.append((one.volume_ml, one.expected_wrong_ml))
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=1e-5)


def many_blobs() -> tuple[Volume, Volume]:
    values = np.zeros((1, 20, 20, 20 * 13), np.float32)
    for number in range(13):
        values[0, 8:12, 8:12, 20 * number + 8 : 20 * number + 12] = 0.2 + 0.02 * number
    error = Volume(values, (1, 1, 1), (0, 0, 0), LPS)
    return error, error.with_array(np.zeros_like(values, np.uint8))


def test_at_most_ten_regions_are_shown_and_these_are_the_worst():
    error, labels = many_blobs()
    found = find_regions(error, labels, STRUCTURES)
    assert [one.rank for one in found] == list(range(1, 11))
    assert [one.peak for one in found] == pytest.approx([0.44 - 0.02 * number for number in range(10)])
    assert len(find_regions(error, labels, STRUCTURES, most=3)) == 3
    assert find_regions(error, labels, STRUCTURES, most=0) == ()


def test_equal_regions_are_ordered_by_their_place_in_the_body():
    values = np.zeros((1, 20, 20, 60), np.float32)
    for start in (8, 28, 48):
        values[0, 8:12, 8:12, start : start + 4] = 0.4
    error = Volume(values, (1, 1, 1), (0, 0, 0), LPS)
    found = find_regions(error, error.with_array(np.zeros_like(values, np.uint8)), STRUCTURES)
    across = [one.position_ras_mm[0] for one in found]
    assert across == sorted(across)
    assert len(across) == 3


def test_blob_with_a_negligible_expected_error_is_left_out():
    values = np.zeros((1, 20, 20, 20), np.float32)
    values[0, 9:11, 9:11, 9:11] = 0.5
    error = Volume(values, (0.7, 0.7, 0.7), (0, 0, 0), LPS)
    field = make_field(error, error.with_array(np.zeros_like(values, np.uint8)))
    assert field is not None
    assert find_regions(error, error.with_array(np.zeros_like(values, np.uint8)), STRUCTURES) == ()


def test_volumes_that_do_not_belong_together_are_refused():
    error, labels = make()
    other = Volume(labels.array, labels.spacing, (0, 0, 0), LPS)
    with pytest.raises(ValueError, match="same grid"):
        find_regions(error, other, STRUCTURES)
    with pytest.raises(ValueError, match="not negative"):
        find_regions(error, labels, STRUCTURES, most=-1)


def test_local_mean_reaches_as_far_in_mm_along_every_axis():
    values = np.zeros((1, 9, 25, 25), np.float32)
    values[0, 4, 12, 12] = 1
    error = Volume(values, (1.0, 1.0, 3.0), (0, 0, 0), LPS)
    mean = make_field(error, error.with_array(np.zeros_like(values, np.uint8))).local_mean
    z, y, x = np.unravel_index(mean.argmax(), mean.shape)
    assert mean[z + 1, y, x] == pytest.approx(mean[z, y + 3, x], rel=0.01)
    assert mean[z, y, x + 3] == pytest.approx(mean[z, y + 3, x], rel=0.01)


def test_error_outside_the_image_counts_as_zero():
    values = np.full((1, 12, 12, 12), 0.4, np.float32)
    error = Volume(values, (1.0, 1.0, 1.0), (0, 0, 0), LPS)
    mean = make_field(error, error.with_array(np.zeros_like(values, np.uint8))).local_mean
    assert mean[0, 6, 6] == pytest.approx(mean[6, 6, 6] * 0.6, rel=0.05)


def test_marked_voxels_are_those_of_the_regions_by_their_ranks():
    error, labels = make(shape=(40, 40, 60))
    error.array[0, 30:36, 30:36, 40:46] = 0.45
    found = find_regions(error, labels, STRUCTURES)
    marked = mark_regions(error, labels)
    assert marked.shape == labels.array.shape[1:]
    assert len(found) == marked.max() == 2
    for region in found:
        own = marked == region.rank
        i, j, k = region.index
        assert own[k, j, i]
        assert own.sum() * error.voxel_volume_ml == pytest.approx(region.volume_ml)
        assert error.array[0][own].sum() * error.voxel_volume_ml == pytest.approx(region.expected_wrong_ml)
    assert mark_regions(error, labels, most=1).max() == 1
    assert not mark_regions(error.with_array(np.zeros_like(error.array)), labels).any()
