"""The images of the fit of scales: clean, corrupted, of seeds of their own, and none that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest

from trustseg_training.calibration.results import _seed as seed_of_calibration
from trustseg_training.config import FitConfiguration
from trustseg_training.corruptions import NAMES, corrupt, parse
from trustseg_training.dataset import find_cases
from trustseg_training.evaluation import EvaluatedModel, family_of, on_model_grid, read_case, scale_images
from trustseg_training.evaluation.evaluated_model import RunModel
from trustseg_training.evaluation.scale_images import CORRUPTIONS
from trustseg_training.evaluation.scale_images import scale_images as images_of
from trustseg_training.robustness.conditions import seed_of
from TrustSegLib.errors import ImageError


@pytest.fixture
def evaluated(dataset, tmp_path) -> EvaluatedModel:
    """A run of which only the configuration counts."""
    configuration = FitConfiguration(str(dataset), ("Left half", "Right half"))
    run = RunModel(tmp_path, configuration, "0")
    return EvaluatedModel("run", run, configuration.structures, run=run)


def test_one_family_is_used_and_all_others_stay_unseen():
    families = {family_of(corruption.key) for corruption in CORRUPTIONS}
    assert families == {"gaussian"} < set(NAMES)


def test_every_case_is_there_clean_and_corrupted_and_a_patient_counts_once(evaluated, dataset):
    cases = find_cases(dataset)[:2]
    found = list(images_of(evaluated, cases))
    expected = ["clean", *(corruption.key for corruption in CORRUPTIONS)]
    assert [each.condition for each in found] == 2 * expected
    shares = [each.share for each in found[: len(expected)]]
    assert shares == pytest.approx([0.5, *[0.5 / len(CORRUPTIONS)] * len(CORRUPTIONS)])
    image, label = on_model_grid(evaluated, *read_case(evaluated, cases[0]))
    np.testing.assert_array_equal(found[0].image, image.array)
    np.testing.assert_array_equal(found[1].label, label.array[0])
    alone = list(images_of(evaluated, cases, ()))
    assert [(each.condition, each.share) for each in alone] == [("clean", 1.0), ("clean", 1.0)]


def test_noise_is_neither_that_of_verify_nor_that_of_the_rest_of_the_calibration(evaluated, dataset):
    case = find_cases(dataset)[0]
    image, label = read_case(evaluated, case)
    noise = parse("gaussian-2dB")
    *_, found = images_of(evaluated, [case], (noise,))
    for seed in (seed_of(case.name, 0), seed_of_calibration(case.name)):
        other, _ = on_model_grid(evaluated, corrupt(image, noise, seed).image, label)
        assert np.corrcoef(other.array.ravel(), found.image.ravel())[0, 1] < 0.9


def test_corrupted_image_that_cannot_be_used_is_left_out(evaluated, dataset, monkeypatch):
    real = scale_images.on_model_grid

    def unusable(evaluated, image, label):
        if image.array.std() > 60:  # the noise
            raise ImageError("nearly all voxels are 0")
        return real(evaluated, image, label)

    monkeypatch.setattr(scale_images, "on_model_grid", unusable)
    found = list(images_of(evaluated, find_cases(dataset)[:1], (parse("gaussian--5dB"), parse("blur-1"))))
    assert [each.condition for each in found] == ["clean", "blur-1"]
