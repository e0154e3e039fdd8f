"""Which planes and which part of the image are shown, and where outlines run."""

from __future__ import annotations

import numpy as np
import pytest

from TrustSegLib.report.planes import PLANES, center_index, field_of_view, outline


def box(shape, *slices) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[slices] = True
    return mask


def test_planes_go_through_the_centroid():
    assert center_index(box((20, 30, 40), slice(2, 7), slice(10, 21), slice(30, 33))) == (4, 15, 31)


def test_every_plane_cuts_one_of_two_structures_with_a_gap_between_them():
    mask = box((10, 10, 40), slice(4, 7), slice(4, 7), slice(2, 6)) | box(
        (10, 10, 40), slice(4, 7), slice(4, 7), slice(30, 34)
    )
    index = center_index(mask)
    assert all(plane.slice(mask, index).any() for plane in PLANES)


def test_empty_mask_shows_the_center_of_the_whole_image():
    empty = np.zeros((10, 20, 31), dtype=bool)
    assert center_index(empty) == (5, 10, 15)
    assert field_of_view(empty, (1.0, 1.0, 1.0)) == (slice(0, 10), slice(0, 20), slice(0, 31))


def test_small_structure_in_a_large_image_is_shown_with_20_mm_around_it():
    mask = box((200, 200, 200), slice(100, 104), slice(100, 104), slice(100, 104))
    assert field_of_view(mask, (2.0, 1.0, 0.5)) == (slice(90, 114), slice(80, 124), slice(60, 144))


def test_surroundings_grow_with_the_structure():
    mask = box((300, 300, 300), slice(100, 140), slice(140, 160), slice(140, 160))
    assert field_of_view(mask, (1.0, 1.0, 1.0)) == (slice(76, 164), slice(116, 184), slice(116, 184))


def test_surroundings_of_large_structures_and_of_two_sides_end_at_30_mm():
    mask = box((300, 300, 300), slice(100, 200), slice(140, 160), slice(140, 160))
    assert field_of_view(mask, (1.0, 1.0, 1.0)) == (slice(70, 230), slice(110, 190), slice(110, 190))


def test_view_ends_where_the_image_ends():
    mask = box((10, 50, 50), slice(0, 10), slice(0, 5), slice(45, 50))
    assert field_of_view(mask, (1.0, 1.0, 1.0)) == (slice(0, 10), slice(0, 25), slice(25, 50))


def test_outline_of_a_voxel_is_its_four_edges():
    segments = outline(box((5, 6), slice(2, 3), slice(4, 5)))
    found = {tuple(sorted(map(tuple, segment))) for segment in segments.tolist()}
    assert found == {
        ((3.5, 1.5), (4.5, 1.5)),
        ((3.5, 2.5), (4.5, 2.5)),
        ((3.5, 1.5), (3.5, 2.5)),
        ((4.5, 1.5), (4.5, 2.5)),
    }


def test_outline_closes_at_the_border_of_the_image():
    assert len(outline(np.ones((3, 4), dtype=bool))) == 2 * (3 + 4)


def test_hole_has_an_outline_of_its_own():
    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    assert len(outline(ring)) == 12 + 4


def test_outlines_of_two_touching_structures_are_separate():
    left, right = box((3, 4), slice(None), slice(0, 2)), box((3, 4), slice(None), slice(2, 4))
    shared = [
        {tuple(map(tuple, segment)) for segment in outline(mask, inset=0.1).tolist()}
        for mask in (left, right)
    ]
    assert not shared[0] & shared[1]
    assert ((1.4, -0.5), (1.4, 0.5)) in shared[0]
    assert ((1.6, -0.5), (1.6, 0.5)) in shared[1]


def test_empty_slice_has_no_outline():
    assert outline(np.zeros((3, 4), dtype=bool)).shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("plane", "text"), list(zip(PLANES, ["I 30.0 mm", "A 20.0 mm", "L 10.5 mm"], strict=True))
)
def test_position_has_the_letter_of_its_side(plane, text):
    assert plane.position(np.array([-10.5, 20.0, -30.0])) == text
