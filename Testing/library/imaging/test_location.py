"""A brain is found in real heads, whatever happened to them, and nothing is found where there is none."""

from __future__ import annotations

import heads
import numpy as np
import pytest
import SimpleITK as sitk

from TrustSegLib.contract import LPS_FROM_RAS
from TrustSegLib.imaging import Volume, orient, read_volume, resample
from TrustSegLib.imaging.location import FINE_MM, LEAST_SIMILARITY, _Scan, local_correlation, locate

CLOSE_MM = 6.0
"""AAL's hippocampi go further up than those of the median: their centers lie 3 to 5 mm apart."""


@pytest.fixture(scope="module")
def atlas() -> Volume:
    return read_volume(heads.atlas_file())


@pytest.fixture(scope="module")
def head() -> Volume:
    return heads.ch2()


@pytest.fixture(scope="module")
def labels() -> Volume:
    return heads.aal()


def assert_found(volume: Volume, labels: Volume, atlas: Volume) -> None:
    location = locate(volume, atlas)
    assert location.found, location.problem
    for field in heads.locator().fields_of_view:
        truth = heads.center(labels, heads.HIPPOCAMPI[field.name])
        found = location.point(np.array(field.center_mm) * LPS_FROM_RAS)
        assert np.linalg.norm(found - truth) < CLOSE_MM, field.name


@pytest.mark.parametrize(("degrees", "axis"), [(20, 0), (-20, 1), (20, 2)])
def test_head_turned_by_20_degrees_is_found(head, labels, atlas, degrees, axis):
    turned = heads.rotated(labels, degrees, axis, nearest=True)
    assert_found(heads.rotated(head, degrees, axis), turned, atlas)


def test_skull_stripped_head_is_found(labels, atlas):
    assert_found(heads.skull_stripped(), labels, atlas)


def test_defaced_head_of_thick_slices_is_found(head, labels, atlas):
    assert_found(heads.thick_slices(heads.defaced(head)), labels, atlas)


def test_left_half_of_a_head_is_found(head, labels, atlas):
    assert_found(heads.part(head, x=slice(0, 92)), labels, atlas)


def test_place_does_not_depend_on_the_order_of_the_axes_in_the_file(head, atlas):
    small = resample(head, (2.5, 2.5, 3.0))
    expected = locate(orient(small, "RAS"), atlas)
    for orientation in ("PIL", "SAR"):
        found = locate(orient(small, orientation), atlas)
        np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-6)


def test_searched_image_is_the_same_in_all_48_orders_of_the_axes(head):
    # Their number is no multiple of the blocks of voxels that are averaged.
    small = heads.part(head, x=slice(20, 120), y=slice(20, 130), z=slice(20, 120))
    values, inside = _Scan.of(small).at(FINE_MM)
    for letters in heads.orders_of_axes():
        other, known = _Scan.of(orient(small, letters)).at(FINE_MM)
        np.testing.assert_array_equal(known, inside)
        np.testing.assert_allclose(sitk.GetArrayFromImage(other), sitk.GetArrayFromImage(values), atol=1e-6)


def test_brightness_does_not_matter(head, atlas):
    darker = head.with_array((0.01 * head.array - 3).astype(np.float32))
    assert locate(darker, atlas).similarity > LEAST_SIMILARITY


def test_nothing_is_found_where_there_is_no_head(atlas):
    location = locate(heads.blobs(), atlas)
    assert not location.found
    assert location.similarity < LEAST_SIMILARITY - 0.1
    assert "similarity" in location.problem


def test_nothing_is_found_in_inverted_contrast(head, atlas):
    assert not locate(head.with_array(255 - head.array), atlas).found


def test_registration_is_stopped_between_two_iterations(head, atlas):
    told: list[int] = []

    def step(done: int, total: int) -> bool:
        told.append(done)
        # The third iteration of the first registration: before it, a part was told once.
        return told.count(done) == 3

    location = locate(head, atlas, step)
    assert location.problem == "the search was stopped"
    assert sorted(set(told)) == list(range(15))
    assert told.count(14) == 3


def test_one_intensity_everywhere_is_a_problem_and_no_error(head, atlas):
    assert (
        locate(head.with_array(np.full_like(head.array, 7)), atlas).problem
        == "it has one intensity everywhere"
    )


def test_neighborhood_without_contrast_has_no_correlation():
    ramp = np.mgrid[:9, :9, :9][0] / 9
    known = np.ones(ramp.shape, dtype=bool)
    assert local_correlation(ramp, 0.2 * ramp + 0.5, known).min() > 0.99
    assert local_correlation(ramp, -ramp, known).max() < -0.99
    assert not local_correlation(ramp, np.full(ramp.shape, 0.5), known).any()
