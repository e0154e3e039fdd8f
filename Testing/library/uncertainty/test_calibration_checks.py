"""Limits of what may be called calibrated, and the words for what may not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from TrustSegLib.uncertainty.calibration_checks import (
    HIGHEST_ECE,
    LARGEST_DSC_BIAS,
    LARGEST_DSC_ERROR,
    Check,
    check_interval,
    check_map,
    check_quality,
    least_coverage,
)

GOOD = {"error": 0.03, "coverage": 0.9, "clean_error": 0.03, "clean_bias": 0.01, "gain": 0.01}


@pytest.mark.parametrize("patients", [40, 66, 161, 400])
def test_interval_that_keeps_its_level_is_rarely_refused(patients):
    """Of many models whose intervals cover 90 % of all patients."""
    counts = np.arange(patients + 1)
    refused = [not check_interval(0.9, patients, count / patients).passed for count in counts]
    assert 0.005 < binom.pmf(counts, patients, 0.9)[refused].sum() <= 0.025
    assert least_coverage(0.9, patients) == binom.ppf(0.025, patients, 0.9) / patients


def test_few_patients_do_not_excuse_any_coverage():
    assert binom.ppf(0.025, 10, 0.9) / 10 < least_coverage(0.9, 10) == pytest.approx(0.75)
    assert not check_interval(0.9, 10, 0.71).passed
    assert not check_interval(0.9, 0, 0.85).passed


def test_interval_must_cover_enough_of_clean_images_and_of_the_pool():
    assert check_interval(0.9, 66, pool=0.9, clean=0.93).passed
    assert check_interval(0.9, 66, pool=1.0).passed, "too wide is not wrong"
    check = check_interval(0.9, 66, pool=0.9, clean=0.71)
    assert (check.passed, check.reason) == (False, "covers 71 % on patients left out")
    assert check_interval(0.9, 66, pool=0.78, clean=0.7).reason == "covers 70 % on patients left out"


def test_map_must_have_a_small_error_that_its_curve_does_not_raise():
    assert check_map(0.04, HIGHEST_ECE, (0.01, 0.01)).passed
    assert check_map(0.25, 0.236, (0.2, 0.19)).reason == "ECE 23.6 % on patients left out"
    assert check_map(0.02, 0.01, (0.01, 0.04)).reason.startswith("ECE 4.0 %, its curve raises the ECE by 3.0")
    assert check_map(0.02, 0.01, (0.005, 0.01)).reason.startswith("its curve raises the ECE by 0.5 points")
    assert check_map(0.02, 0.01, (None, None)).passed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"error": LARGEST_DSC_ERROR + 0.01}, "off by 0.06 on patients left out"),
        ({"clean_error": 0.09}, "off by 0.09 on patients left out"),
        ({"clean_bias": LARGEST_DSC_BIAS + 0.01}, "0.04 too high on clean images on patients left out"),
        ({"clean_bias": -0.05}, "0.05 too low on clean images on patients left out"),
        ({"coverage": 0.6}, "its interval covers 60 % on patients left out"),
        ({"gain": -0.001}, "no better than the mean of all patients on patients left out"),
    ],
)
def test_expected_dsc_must_be_close_unbiased_and_better_than_a_constant(changes, reason):
    check = check_quality(0.9, 66, **{**GOOD, **changes})
    assert (check.passed, check.reason) == (not reason, reason)


def test_check_survives_its_file():
    for check in (check_map(0.25, 0.236, (0.2, None)), check_quality(0.9, 66, **GOOD)):
        assert Check.parse(check.to_json()) == check
        assert check.to_json()["passed"] is check.passed
