"""The split of a label's variance against hand-computed moments, samples, scipy and the library's maps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trustseg_training.metrics.decomposition import (
    decompose_predicted,
    entropy,
    error_probability,
    share_within_bound,
)
from TrustSegLib.uncertainty.maps import uncertainty_map


def _samples(seed: int, classes: int = 3) -> np.ndarray:
    """(T, K, 4, 5, 6) class probabilities of many passes."""
    generator = np.random.default_rng(seed)
    center = generator.normal(0, 2, (classes, 4, 5, 6))
    logits = center + generator.normal(0, 1, (300, classes, 4, 5, 6))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_one_voxel_has_the_parts_worked_out_by_hand():
    mean, variance = np.array([[0.7], [0.2], [0.1]]), np.array([[0.02], [0.03], [0.01]])
    parts = decompose_predicted(mean, variance)
    assert (parts.epistemic, parts.aleatoric) == (pytest.approx(0.02), pytest.approx(0.19))
    assert error_probability(mean) == pytest.approx(0.3)
    assert entropy(mean) == pytest.approx(-(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1)))


def test_parts_are_those_of_samples():
    """Kwon et al.: aleatoric is the mean over passes of p (1 - p), epistemic the variance over passes."""
    passes = _samples(0)
    label = passes.mean(axis=0).argmax(axis=0)[None]

    def of_label(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, label, axis=0)[0]

    parts = decompose_predicted(passes.mean(axis=0), passes.var(axis=0))
    assert parts.aleatoric == pytest.approx(of_label((passes * (1 - passes)).mean(axis=0)))
    assert parts.epistemic == pytest.approx(of_label(passes.var(axis=0)))


def test_measures_agree_with_the_uncertainty_maps_and_with_scipy():
    passes = _samples(1)
    mean, variance = passes.mean(axis=0).astype(np.float32), passes.var(axis=0).astype(np.float32)
    both = {
        "predictive_variance": decompose_predicted(mean, variance).epistemic,
        "entropy": entropy(mean),
        "error_probability": error_probability(mean),
    }
    for name, values in both.items():
        assert values == pytest.approx(uncertainty_map(name, mean, variance), abs=1e-6), name
    assert entropy(mean) == pytest.approx(stats.entropy(mean, axis=0), abs=1e-5)


def test_impossible_variance_is_counted_and_refused():
    mean = np.array([[0.9, 0.5, 0.5, 1.0], [0.1, 0.5, 0.5, 0.0]])
    variance = np.array([[0.05, 0.26, 0.25, 0.0], [0.05, 0.20, 0.25, 0.0]])
    assert share_within_bound(mean, variance) == 0.75
    with pytest.raises(ValueError, match=r"25\.00% of the voxels"):
        decompose_predicted(mean, variance)


@pytest.mark.parametrize("value", [-0.01, np.nan])
def test_negative_or_undefined_variance_is_outside_the_bound(value):
    assert share_within_bound(np.array([[0.5], [0.5]]), np.array([[0.1], [value]])) == 0


def test_rounding_at_the_bound_is_accepted_and_parts_are_not_negative():
    mean = np.full((2, 3), 0.5)
    variance = np.full((2, 3), 0.25) + np.array([1e-7, 0, -1e-7])
    assert share_within_bound(mean, variance) == 1
    assert (decompose_predicted(mean, variance).aleatoric >= 0).all()
    assert (decompose_predicted(mean * 0 + [[1.0], [0.0]], np.full((2, 3), -1e-8)).epistemic >= 0).all()


def test_entropy_is_zero_for_certainty_and_largest_for_equal_probabilities():
    certain, equal = np.array([[1.0], [0.0], [-1e-9]]), np.full((3, 1), 1 / 3)
    assert entropy(certain) == 0
    assert entropy(equal) == pytest.approx(np.log(3))
    assert error_probability(equal) == pytest.approx(2 / 3)


@pytest.mark.parametrize("shape", [(3,), (2, 4), (3, 0)])
def test_moments_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="mean and variance"):
        share_within_bound(np.zeros(shape), np.zeros((3, 4) if shape != (3, 0) else shape))
