"""The measures of one prediction, against values worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trustseg_training.metrics.calibration_error import Reliability
from trustseg_training.robustness.assessment import assess, probability

UNIONS = {"One": (1,), "Two": (2,), "Both": (1, 2)}


def prediction(
    labels: np.ndarray, sure: float = 0.9, variance: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Moments (3, D, H, W) with this confidence in every label."""
    mean = np.full((3, *labels.shape), (1 - sure) / 2, np.float32)
    np.put_along_axis(mean, labels[None], sure, axis=0)
    return mean, np.full_like(mean, variance)


@pytest.fixture
def truth() -> np.ndarray:
    labels = np.zeros((12, 12, 12), int)
    labels[4:8, 4:8, 4:6], labels[4:8, 4:8, 6:8] = 1, 2
    return labels


def test_perfect_prediction_has_perfect_masks_and_no_errors(truth):
    record = assess(*prediction(truth), truth, (1.0, 1.0, 1.0), UNIONS)
    assert [row["structure"] for row in record["structures"]] == ["One", "Two", "Both"]
    assert [row["dice"] for row in record["structures"]] == [1.0, 1.0, 1.0]
    found = record["detection"]["error_probability"]["near"]
    assert (found["errors"], found["auroc"], found["mean_wrong"]) == (0, None, None)
    assert found["mean_correct"] == pytest.approx(0.1, abs=1e-6)


def test_measures_near_the_structures_exclude_far_background(truth):
    record = assess(*prediction(truth), truth, (1.0, 1.0, 1.0), UNIONS)
    near, image = (record["detection"]["entropy"][place]["voxels"] for place in ("near", "image"))
    assert image == truth.size
    assert 64 < near < image
    assert Reliability(**record["reliability"]).voxels == near
    assert Reliability(**record["reliability"]).ece == pytest.approx(0.1, abs=1e-6)


def test_missed_structure_counts_near_its_truth(truth):
    """Where nothing is predicted, the band of the prediction is empty; that of the truth is not."""
    record = assess(*prediction(np.zeros_like(truth)), truth, (1.0, 1.0, 1.0), UNIONS)
    found = record["detection"]["error_probability"]["near"]
    assert found["errors"] == (truth > 0).sum()
    assert record["scores"]["mean_error_probability"] == pytest.approx(2 / 3)
    assert record["scores"]["mean_predictive_variance"] == 0.25
    assert record["scores"]["mean_entropy"] == pytest.approx(np.log(3))
    assert record["scores"]["expected_dice"] == 1.0


def test_structure_with_zero_probability_everywhere_counts_as_missed(truth):
    """Its empty mask agrees with its probabilities of 0; but every image has the structure."""
    labels = np.where(truth == 2, 0, truth)
    mean, variance = prediction(labels, sure=1.0, variance=0.0)
    record = assess(mean, variance, truth, (1.0, 1.0, 1.0), {"One": (1,), "Two": (2,)})
    assert record["structures"][1]["expected_dice"] == 1.0
    assert record["scores"]["expected_dice"] == pytest.approx(0.5)


def test_expected_dice_and_parts_are_those_of_the_formulas(truth):
    mean, variance = prediction(truth)
    record = assess(mean, variance, truth, (1.0, 1.0, 1.0), UNIONS)
    mask = truth == 1
    expected = 2 * mean[1][mask].sum() / (mask.sum() + mean[1].sum())
    assert record["structures"][0]["expected_dice"] == pytest.approx(expected, rel=1e-5)
    assert record["parts"]["epistemic"] == pytest.approx(0.01, abs=1e-6)
    assert record["parts"]["aleatoric"] == pytest.approx(0.9 * 0.1 - 0.01, abs=1e-6)
    assert record["within_bound"] == 1.0


def test_share_within_bound_counts_impossible_variances(truth):
    mean, variance = prediction(truth, variance=0.0)
    variance[:, 0, 0, 0] = 0.5
    assert assess(mean, variance, truth, (1.0, 1.0, 1.0), UNIONS)["within_bound"] == 1 - 1 / truth.size


def test_removing_uncertain_wrong_voxels_raises_dice(truth):
    labels = truth.copy()
    labels[8, 4:8, 4:6] = 1
    mean, variance = prediction(labels)
    wrong = labels != truth
    mean[:, wrong] = np.array([0.45, 0.5, 0.05])[:, None]
    row = assess(mean, variance, truth, (1.0, 1.0, 1.0), UNIONS)["structures"][0]
    assert row["delta_dice_2"] > 0
    assert row["delta_dice_1"] == 0, "eight equal voxels are more than a hundredth: none is set aside"


def test_impossible_variance_has_no_parts(truth):
    """First-order moments, as published, may leave the range of a variance."""
    mean, variance = prediction(truth, variance=0.5)
    record = assess(mean, variance, truth, (1.0, 1.0, 1.0), UNIONS)
    assert record["parts"] == {"epistemic": None, "aleatoric": None}
    assert record["within_bound"] == 0.0


def test_record_is_plain_json(truth):
    record = assess(*prediction(truth), truth, (1.0, 2.0, 3.0), UNIONS)
    assert json.loads(json.dumps(record, allow_nan=False))["structures"][0]["dice"] == 1.0


def test_probability_of_a_union_is_the_sum_of_its_labels(truth):
    mean, _ = prediction(truth)
    np.testing.assert_allclose(probability(mean, (1, 2)), mean[1] + mean[2])
