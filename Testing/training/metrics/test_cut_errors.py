"""The errors of union and cut, on rows of voxels that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trustseg_training.metrics import Overlap, union_and_cut
from trustseg_training.metrics.cut_errors import perfect_cut, perfect_union

NAMES = {"Front": 1, "Back": 2}
SPACING = (2.0, 1.0, 1.0)


def _row(text: str) -> np.ndarray:
    """Labels (1, 1, W) along x, where voxels are 2 mm wide; a point is background."""
    return np.array([[[int(letter) for letter in text.replace(".", "0")]]])


def test_both_kinds_of_errors_have_the_values_worked_out_by_hand():
    """The model's union is a voxel too long at each end, and its cut is a voxel too far back."""
    found = union_and_cut(_row("11111222"), _row(".111222."), SPACING, NAMES)
    assert found == {
        "union of all": Overlap(pytest.approx(12 / 14), pytest.approx(2.0)),
        "Front, perfect cut": Overlap(pytest.approx(6 / 7), pytest.approx(1.7)),
        "Back, perfect cut": Overlap(pytest.approx(6 / 7), pytest.approx(1.7)),
        "Front, perfect union": Overlap(pytest.approx(6 / 7), pytest.approx(1.7)),
        "Back, perfect union": Overlap(pytest.approx(4 / 5), pytest.approx(1.8)),
    }


def test_perfect_masks_have_no_error():
    truth = _row(".1122.")
    assert set(union_and_cut(truth, truth, SPACING, NAMES).values()) == {Overlap(1.0, 0.0)}


def test_voxels_outside_of_the_true_union_get_the_nearest_true_label():
    np.testing.assert_array_equal(perfect_cut(_row("2221111"), _row("..12..."), SPACING), _row("1112222"))


def test_missed_voxels_get_the_nearest_predicted_label():
    np.testing.assert_array_equal(
        perfect_union(_row("..2....1"), _row("11112222"), SPACING), _row("22222111")
    )


def test_nearest_is_meant_in_millimeters():
    """A step along x is 2 mm, two along z are 2 mm: three along z are farther."""
    truth = np.zeros((4, 1, 2), int)
    truth[0, 0, 0], truth[3, 0, 1] = 1, 2
    mask = np.zeros_like(truth)
    mask[3, 0, 0] = 1
    assert perfect_cut(mask, truth, (2.0, 1.0, 1.0))[3, 0, 0] == 2
    assert perfect_cut(mask, truth, (4.0, 1.0, 1.0))[3, 0, 0] == 1


def test_empty_masks_are_measured_without_a_distance():
    truth, nothing = _row(".1122."), _row("......")
    missed = union_and_cut(nothing, truth, SPACING, NAMES)
    assert set(missed.values()) == {Overlap(0.0, None)}
    invented = union_and_cut(_row(".11..."), nothing, SPACING, NAMES)
    assert invented["union of all"] == invented["Front, perfect cut"] == Overlap(0.0, None)
    assert invented["Back, perfect cut"] == Overlap(1.0, None)
    assert invented["Front, perfect union"] == Overlap(1.0, None), "nothing is to be labeled"
    assert set(union_and_cut(nothing, nothing, SPACING, NAMES).values()) == {Overlap(1.0, None)}


def test_labels_that_are_no_structure_are_background():
    found = union_and_cut(_row(".1122."), _row("91122."), SPACING, NAMES)
    assert found["union of all"] == Overlap(1.0, 0.0)


def test_single_structure_has_no_cut():
    assert union_and_cut(_row(".11"), _row(".11"), SPACING, {"Front": 1}) == {}
