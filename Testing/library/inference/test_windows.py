"""Patches cover the volume, and filling up invents nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from TrustSegLib.inference.windows import pad_to_patch, patch_starts, starts


@settings(max_examples=200, deadline=None)
@given(patch=st.integers(1, 40), extra=st.integers(0, 100), overlap=st.floats(0, 0.9))
def test_voxels_are_covered_and_neighbors_overlap_as_asked(patch: int, extra: int, overlap: float) -> None:
    size = patch + extra
    found = starts(size, patch, overlap)
    assert found[0] == 0
    assert found[-1] == size - patch
    steps = np.diff(found)
    assert (steps > 0).all()
    assert (steps <= max(1, patch * (1 - overlap) + 1e-6)).all()


def test_number_of_patches_is_what_the_overlap_needs() -> None:
    # 240 x 240 x 155 at 96 with a quarter overlapping: 18 patches, as MONAI has.
    assert len(patch_starts((240, 240, 155), (96, 96, 96), 0.25)) == 18


def test_rounding_of_the_overlap_adds_no_patches() -> None:
    # 10 * (1 - .8) is 1.9999999999999996.
    assert starts(20, 10, 0.8) == [0, 2, 4, 6, 8, 10]


def test_patches_come_in_the_order_of_the_first_axis() -> None:
    first = [corner[0] for corner in patch_starts((20, 9, 9), (8, 4, 4), 0.5)]
    assert first == sorted(first)
    assert len(set(first)) == 4


def test_a_volume_smaller_than_a_patch_is_not_windowed_unpadded() -> None:
    with pytest.raises(ValueError, match="pad first"):
        starts(5, 8, 0.5)


def test_filling_up_repeats_the_border_and_cuts_back() -> None:
    array = np.arange(1, 13, dtype=np.float32).reshape(1, 2, 2, 3)
    padded, inner = pad_to_patch(array, (4, 2, 6))
    assert padded.shape == (1, 4, 2, 6)
    np.testing.assert_array_equal(padded[(slice(None), *inner)], array)
    np.testing.assert_array_equal(padded[:, 0], padded[:, 1])
    np.testing.assert_array_equal(padded[:, 3], padded[:, 2])
    np.testing.assert_array_equal(padded[..., 0], padded[..., 1])
    np.testing.assert_array_equal(padded[..., 5], padded[..., 3])


def test_a_volume_that_is_large_enough_is_not_copied() -> None:
    array = np.zeros((1, 4, 4, 4), dtype=np.float32)
    assert pad_to_patch(array, (4, 2, 3))[0] is array
