"""Values of label files and the regions that are evaluated."""

from __future__ import annotations

import numpy as np

from trustseg_training.dataset.label_maps import known_values, region_masks, remap


def test_values_become_the_labels_of_the_map_and_others_stay():
    labels = np.array([[0, 1, 2], [4, 255, 0]], np.uint8)
    mapped = remap(labels, {2: 1, 4: 3, 1: 2})
    assert mapped.dtype == np.uint8
    assert mapped.tolist() == [[0, 2, 1], [3, 255, 0]]


def test_empty_map_changes_nothing():
    labels = np.array([0, 3, 7], np.uint8)
    assert remap(labels, {}) is labels
    assert known_values({}, classes=3) == {0, 1, 2}


def test_map_knows_its_values_and_the_background():
    assert known_values({4: 1, 7: 0}, classes=2) == {0, 4, 7}


def test_masks_of_regions_contain_each_other():
    labels = np.array([0, 1, 2, 3, 4])
    masks = region_masks(
        labels, {"whole tumor": (1, 2, 3, 4), "tumor core": (1, 3, 4), "enhancing tumor": (4,)}
    )
    assert masks["whole tumor"].tolist() == [False, True, True, True, True]
    assert masks["tumor core"].tolist() == [False, True, False, True, True]
    assert masks["enhancing tumor"].tolist() == [False, False, False, False, True]
