"""Calibration sums against cases worked out by hand, torchmetrics and torch, and against their own parts."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.nn.functional import nll_loss, one_hot
from torchmetrics.functional.classification import multiclass_calibration_error

from trustseg_training.metrics.calibration_error import Reliability, reliability


def _voxels(seed: int, number: int = 2000, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (number, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, generator.integers(0, classes, number)


def test_four_voxels_have_the_values_worked_out_by_hand():
    # Confidences .9, .9, .6 and 1; the second and the third are wrong.
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.0, 1.0]])
    sums = reliability(probabilities, np.array([0, 0, 1, 1]), bins=5)
    assert sums.counts == (0, 0, 0, 1, 3)
    # The last bin has a mean confidence of 2.8 / 3 and an accuracy of 2 / 3.
    assert sums.ece == pytest.approx((abs(0 - 0.6) + abs(2 - 2.8)) / 4)
    assert sums.brier == pytest.approx((2 * 0.01 + 2 * 0.81 + 2 * 0.36 + 0) / 4)
    assert sums.nll == pytest.approx(-np.log([0.9, 0.1, 0.4, 1.0]).mean())


def test_table_has_the_mean_confidence_and_the_accuracy_of_each_bin():
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])
    table = reliability(probabilities, np.array([0, 0, 0]), bins=5).table()
    assert [(row.low, row.high) for row in table][-1] == pytest.approx((0.8, 1.0))
    assert (table[4].count, table[4].confidence, table[4].accuracy) == (2, pytest.approx(0.9), 0.5)
    assert (table[3].count, table[3].confidence, table[3].accuracy) == (1, pytest.approx(0.6), 1.0)
    assert (table[0].count, table[0].confidence, table[0].accuracy) == (0, None, None)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_calibration_agrees_with_torchmetrics_and_torch(seed, dtype):
    probabilities, labels = _voxels(seed)
    probabilities = probabilities.astype(dtype)
    sums = reliability(probabilities, labels)
    p, y = torch.from_numpy(probabilities).double(), torch.from_numpy(labels)
    expected = multiclass_calibration_error(p, y, num_classes=3, n_bins=15, norm="l1")
    assert sums.ece == pytest.approx(float(expected), rel=1e-5)
    assert sums.nll == pytest.approx(float(nll_loss(p.log(), y)), rel=1e-6)
    assert sums.brier == pytest.approx(float(((p - one_hot(y, 3)) ** 2).sum(1).mean()), rel=1e-6)


def test_a_voxel_on_the_edge_of_two_bins_is_in_the_upper_one_and_certainty_in_the_last():
    sums = reliability(np.array([[0.75, 0.25], [1.0, 0.0], [0.5, 0.5]]), np.zeros(3, int), bins=4)
    assert sums.counts == (0, 0, 1, 2)


def test_parts_that_are_added_are_the_whole():
    probabilities, labels = _voxels(2)
    whole = reliability(probabilities, labels)
    parts = [reliability(probabilities[i::7], labels[i::7]) for i in range(7)]
    added = sum(parts, Reliability.empty())
    assert (added.counts, added.correct) == (whole.counts, whole.correct)
    for name in ("ece", "brier", "nll", "voxels"):
        assert getattr(added, name) == pytest.approx(getattr(whole, name), rel=1e-12)


def test_error_of_the_whole_differs_from_the_mean_of_the_parts():
    """Why sums are kept: opposite errors of two halves cancel in a bin."""
    probabilities = np.tile([0.7, 0.3], (10, 1))
    labels = np.array([0] * 7 + [1] * 3)
    parts = [reliability(probabilities[half], labels[half]) for half in (slice(5), slice(5, None))]
    assert (parts[0] + parts[1]).ece == pytest.approx(0)
    assert np.mean([part.ece for part in parts]) == pytest.approx(0.3)


def test_sums_survive_json():
    sums = reliability(*_voxels(3))
    again = Reliability(**json.loads(json.dumps(dataclasses.asdict(sums))))
    assert again == sums
    assert (again + sums).voxels == 2 * sums.voxels


def test_empty_sums_have_undefined_values_and_are_neutral():
    none = reliability(np.zeros((0, 3)), np.zeros(0, int))
    assert (none.ece, none.brier, none.nll, none.voxels) == (None, None, None, 0)
    some = reliability(*_voxels(4))
    assert none + some == some


def test_probability_of_zero_for_the_truth_has_a_finite_likelihood():
    assert reliability(np.array([[1.0, 0.0]]), np.array([1])).nll == pytest.approx(15.94, abs=0.01)


def test_brier_score_of_large_confident_volumes_is_accurate():
    probabilities = np.tile(np.array([[0.999, 0.001]], np.float32), (200_000, 1))
    brier = reliability(probabilities, np.zeros(200_000, np.uint8)).brier
    assert brier == pytest.approx(2e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.array([[3.0, -2.0]]), np.array([0])),
        (np.array([[0.5, 0.2]]), np.array([0])),
        (np.array([[np.nan, 0.2]]), np.array([0])),
        (np.array([[0.5, 0.5]]), np.array([2])),
        (np.array([[0.5, 0.5]]), np.array([-1])),
        (np.array([[0.5, 0.5]]), np.array([0, 1])),
    ],
    ids=["logits", "sum", "nan", "label too large", "label negative", "other voxels"],
)
def test_invalid_probabilities_and_labels_are_refused(probabilities, labels):
    with pytest.raises(ValueError, match=r"probabilities|labels"):
        reliability(probabilities, labels)


def test_adding_tables_of_different_bins_is_refused():
    with pytest.raises(ValueError, match="5 and 15 bins"):
        Reliability.empty(5) + Reliability.empty()
