"""The model that ships, on the patient that ships: real weights, a real volume, the whole way."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from source_tree import ROOT

from TrustSegLib.bundle import find_bundle, load_bundle
from TrustSegLib.imaging import orient, read_labels, read_volume
from TrustSegLib.inference import SegmentOptions, segment

SAMPLE = ROOT / "TrustSeg/Resources/SampleData/hippocampus_223.nii.gz"
OPTIONS = SegmentOptions(device="cpu", maps=("error_probability", "epistemic"))
ORIENTATIONS = [
    "".join(letters)
    for axes in itertools.permutations(["RL", "AP", "SI"])
    for letters in itertools.product(*axes)
]


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(find_bundle("hippocampus-t1"))


@pytest.fixture(scope="module")
def result(bundle):
    return segment(read_volume(SAMPLE), bundle, OPTIONS)


def _dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


def test_sample_is_segmented_as_well_as_the_card_says(result):
    truth = read_labels(SAMPLE.with_name("hippocampus_223_label.nii.gz"))
    for label in (1, 2):
        assert _dice(result.labels.array == label, truth.array == label) > 0.85


def test_wrong_voxels_outrank_right_ones_of_the_same_structures(result):
    truth = read_labels(SAMPLE.with_name("hippocampus_223_label.nii.gz")).array
    wrong = result.labels.array != truth
    error_probability = result.maps["error_probability"].array
    foreground = (result.labels.array > 0) | (truth > 0)
    of_wrong, of_right = error_probability[wrong], error_probability[foreground & ~wrong]
    area_under_curve = mannwhitneyu(of_wrong, of_right).statistic / (of_wrong.size * of_right.size)
    assert area_under_curve > 0.8


def test_as_many_voxels_are_wrong_as_the_calibrated_map_expects(result):
    truth = read_labels(SAMPLE.with_name("hippocampus_223_label.nii.gz")).array
    expected = result.maps["error_probability"].array.sum(dtype=float)
    assert expected / 1.5 < (result.labels.array != truth).sum() < expected * 1.5


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_gives_the_same_mask(bundle, result, orientation):
    volume = read_volume(SAMPLE)
    turned = segment(orient(volume, orientation), bundle, OPTIONS)
    assert turned.labels.orientation == orientation
    back = orient(turned.labels, volume.orientation)
    assert np.array_equal(back.array, result.labels.array)
    uncertainty = orient(turned.maps["error_probability"], volume.orientation).array
    np.testing.assert_array_equal(uncertainty, result.maps["error_probability"].array)


def test_weights_are_small_and_the_card_tells_how_they_were_made(bundle):
    folder = find_bundle("hippocampus-t1")
    assert (folder / "weights.safetensors").stat().st_size <= 4_000_000
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    told = ("trustseg-train fit", "seed 1", "38 validation patients", "CC BY-SA 4.0", "Research use only")
    for words in told:
        assert words in card
    assert bundle.description.training.patients == {"train": 104, "validation": 38}


def test_validation_figures_reach_what_was_asked_for():
    """The bars of the first release, on the validation patients as `trustseg-train export` measured them."""
    metrics = json.loads((find_bundle("hippocampus-t1") / "metrics.json").read_text(encoding="utf-8"))
    summary = metrics["validation"]
    assert summary["Anterior hippocampus"]["patients"] == 38
    assert summary["Anterior hippocampus"]["dice_mean"] >= 0.88
    assert summary["Posterior hippocampus"]["dice_mean"] >= 0.86
