"""Which curve is chosen, and that none is used that makes the error near the structures worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from trustseg_training.calibration.cases import weights
from trustseg_training.calibration.curve_choice import CANDIDATES, CurveCases, choose_curve, make_curve
from trustseg_training.calibration.error_curve import VoxelTable
from trustseg_training.calibration.figures import curve_figures
from trustseg_training.calibration.fitting import fit_all
from trustseg_training.calibration.results import ImageResult
from TrustSegLib.uncertainty import Calibration

VOXELS = 2000
CONDITIONS = ("clean", "gaussian-2dB")


def results_of(true_rate, far: int = 0, patients: int = 12) -> list[ImageResult]:
    """Images whose voxels near the structures are wrong at `true_rate(raw)`, and `far` others never.

    Far voxels are as uncertain as near ones: then no curve of the raw value is right in both places.
    """
    generator = np.random.default_rng(0)
    found = []
    for patient in range(patients):
        for condition in CONDITIONS:
            raw = generator.uniform(0.02, 0.6, VOXELS)
            near = VoxelTable.of(raw, generator.uniform(size=VOXELS) < true_rate(raw))
            away = VoxelTable.of(generator.uniform(0.02, 0.6, far), np.zeros(far, bool))
            found.append(ImageResult(f"p{patient}", f"c{patient}", condition, {}, near, near + away))
    return found


def cases_of(results: list[ImageResult]) -> CurveCases:
    patient, condition = (np.array([getattr(a, name) for a in results]) for name in ("patient", "condition"))
    tables = ([getattr(a, name) for a in results] for name in ("image", "near"))
    return CurveCases(patient, condition == "clean", weights(patient, condition), *tables)


def colder(raw: np.ndarray) -> np.ndarray:
    return expit(2 * logit(raw))


def stairs(raw: np.ndarray) -> np.ndarray:
    return np.where(raw < 0.2, 0.02, np.where(raw < 0.4, 0.1, 0.5))


@pytest.mark.parametrize(
    ("rate", "allowed"),
    [(colder, {"temperature", "beta", "isotonic"}), (stairs, {"isotonic"}), (lambda raw: raw, {"raw"})],
)
def test_curve_that_fits_is_chosen(rate, allowed):
    choice = choose_curve(cases_of(results_of(rate)))
    if rate is colder:
        assert choice.considered["temperature"][1] < 0.2 * choice.considered["raw"][1]
    if "raw" in allowed:  # Chance may make another one as good, but not better by more than that.
        best = min(pool for _, pool in choice.considered.values())
        assert choice.considered["raw"][1] < best + 0.002
    else:
        assert choice.name in allowed


def test_no_curve_is_used_where_every_one_raises_the_error_near_the_structures():
    """Raw is right near the structures; ten times as many far voxels, never wrong, pull every curve down."""
    results = results_of(lambda raw: raw, far=10 * VOXELS)
    choice = choose_curve(cases_of(results))
    assert all(pool > 0.1 for name, (_, pool) in choice.considered.items() if name != "raw")
    assert choice.name == "raw"
    fitted = fit_all(results, "data", {})
    part = fitted.content["error_probability"]
    assert (part["curve"], part["raw"], part["calibrated"]) == ("raw", [0, 1], [0, 1])
    assert part["ece_after"] == part["ece_before"] < 0.02
    assert part["check"]["passed"]
    assert "no curve lowers the ECE" in fitted.figures["error_probability"]["choice"]["reason"]
    raw = np.array([0.1, 0.4])
    assert Calibration.parse(fitted.content).error_probability(raw) == pytest.approx(raw)


def test_curve_that_helps_the_pool_but_not_clean_images_is_not_used():
    results = results_of(colder)
    raw_is_right = results_of(lambda raw: raw)
    mixed = [
        replace(one, near=other.near, image=other.image) if one.condition == "clean" else one
        for one, other in zip(results, raw_is_right, strict=True)
    ]
    assert choose_curve(cases_of(results)).name != "raw"
    assert choose_curve(cases_of(mixed)).name == "raw"


def test_reported_error_is_of_curves_that_were_chosen_without_the_patient():
    """A patient unlike all others: its voxels are always wrong where the others' never are."""
    results = results_of(stairs)
    odd = VoxelTable.of(np.full(VOXELS, 0.05), np.ones(VOXELS, bool))
    changed = [replace(a, near=odd, image=odd) if a.patient == "p0" else a for a in results]
    weight = cases_of(changed).weight
    figures = curve_figures(changed, weight)["near"]["pool"]
    assert figures["used"] == pytest.approx(figures["isotonic"], abs=0.02)
    assert figures["used"] > 1 / 13, "of one patient in twelve nothing was foreseen"


def test_map_with_a_large_error_is_written_but_fails_its_check():
    """The seen case: every value means little near the structures, and its curve made that worse."""
    results = results_of(lambda raw: np.full_like(raw, 0.55), far=10 * VOXELS)
    fitted = fit_all(results, "data", {})
    part = fitted.content["error_probability"]
    assert part["ece_after"] == part["ece_before"] > 0.2, "a curve would be worse still"
    assert not part["check"]["passed"]
    calibration = Calibration.parse(fitted.content)
    assert calibration.curve is None
    assert "Not calibrated: the error map (ECE 2" in fitted.figures["statement"]


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_curve_can_be_written_as_points(name):
    curve = make_curve(name, cases_of(results_of(colder)))
    assert (curve.raw[0], curve.raw[-1]) == (0, 1)
    assert (np.diff(curve.raw) > 0).all()
    assert (np.diff(curve.calibrated) >= 0).all()
    assert 0 <= curve.calibrated[0] <= curve.calibrated[-1] <= 1
    if name in ("temperature", "beta"):
        x = np.linspace(0.03, 0.59, 100)
        assert np.abs(curve(x) - colder(x)).max() < 0.02
