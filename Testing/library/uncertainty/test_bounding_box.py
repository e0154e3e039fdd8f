"""The bounding box of a mask, with and without a margin."""

from __future__ import annotations

import numpy as np

from TrustSegLib.uncertainty.bounding_box import bounding_box, with_margin


def test_box_of_a_mask_equals_that_of_its_planes() -> None:
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[1, 4, 2] = mask[3, 2, 5] = True
    expected = (slice(1, 4), slice(2, 5), slice(2, 6))
    assert bounding_box(mask) == expected
    assert bounding_box(plane for plane in mask) == expected


def test_empty_mask_has_no_box() -> None:
    assert bounding_box(np.zeros((5, 6, 7), dtype=bool)) is None


def test_margin_of_a_box_ends_at_the_image() -> None:
    box = (slice(1, 4), slice(2, 5), slice(3, 6))
    assert with_margin(box, (2, 1, 0), (5, 9, 9)) == (slice(0, 5), slice(1, 6), slice(3, 6))
