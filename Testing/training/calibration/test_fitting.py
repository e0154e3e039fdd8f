"""Fits of all parts of a calibration, on results with a known truth."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from trustseg_training.calibration.case_quality import (
    UNUSUAL,
    cross_validate_quality,
    fit_quality,
    fit_quality_model,
    unusual_below,
)
from trustseg_training.calibration.cases import StructureCases, conditions_of, folds, weights
from trustseg_training.calibration.conformal import patient_quantile, weighted_quantile
from trustseg_training.calibration.curve_choice import choose_curve, make_curve
from trustseg_training.calibration.error_curve import OTHERS, VoxelTable, ece, fit_error_curve
from trustseg_training.calibration.figures import curve_cases
from trustseg_training.calibration.fitting import LEAST_PATIENTS, fit_all
from trustseg_training.calibration.record import lines
from trustseg_training.calibration.results import ImageResult, StructureResult
from trustseg_training.calibration.volume_intervals import (
    cross_validate_intervals,
    fit_volume_rule,
    without_uncertainty,
)
from trustseg_training.corruptions import CLEAN
from trustseg_training.metrics.calibration_error import reliability
from TrustSegLib.errors import OptionError
from TrustSegLib.uncertainty import Calibration
from TrustSegLib.uncertainty.structure_scores import StructureScores

CONDITIONS = (CLEAN, "gaussian-2dB", "motion-5")
NAMES = {1: "Left half"}


def _result(patient: int, condition: str, generator: np.random.Generator) -> ImageResult:
    """Volumes with errors as large as their spread, and a Dice that the scores predict up to noise."""
    bad = CONDITIONS.index(condition) + generator.uniform(0, 1)
    true, spread = generator.uniform(1, 3), 0.05 * np.exp(bad)
    volume = max(true + spread * generator.normal(), 0.01)
    dsc = float(expit(3 - 1.2 * bad + 0.2 * generator.normal()))
    scores = {
        "volume_ml": volume,
        "expected_volume_ml": volume + 0.3 * generator.normal(),
        "volume_spread_ml": spread,
        "expected_dice": 0.98 - 0.05 * bad,
        "sampled_dice": 0.9 + 0.1 * generator.uniform(),
        "boundary_uncertainty": generator.uniform(),
        "mean_error": generator.uniform(),
    }
    raw = generator.uniform(0, 0.6, 4000)
    table = VoxelTable.of(raw, generator.uniform(size=4000) < raw**2)
    name = f"p{patient:03d}"
    structures = {1: StructureResult(scores, true, dsc)}
    return ImageResult(name, name, condition, structures, table, table)


def _results(patients: int, seed: int = 0) -> list[ImageResult]:
    generator = np.random.default_rng(seed)
    return [_result(patient, condition, generator) for patient in range(patients) for condition in CONDITIONS]


@pytest.fixture(scope="module")
def cases() -> StructureCases:
    """Of 80 patients."""
    return StructureCases.of(_results(80), 1)


def test_quantile_of_one_image_per_patient_is_the_one_of_split_conformal_prediction():
    values = np.random.default_rng(0).permutation(np.arange(1.0, 21.0))
    names = np.array([f"p{i}" for i in range(20)])
    assert patient_quantile(values, names, np.ones(20), 0.9) == np.ceil(21 * 0.9) == 19
    assert patient_quantile(values[:9], names[:9], np.ones(9), 0.9) == values[:9].max()
    assert patient_quantile(values[:8], names[:8], np.ones(8), 0.9) == np.inf  # too few for 90 %


def test_copies_of_a_patient_count_as_one_patient():
    values = np.repeat(np.arange(1.0, 9.0), 10)
    names = np.repeat([f"p{i}" for i in range(8)], 10)
    assert patient_quantile(values, names, np.full(80, 0.1), 0.9) == np.inf
    assert weighted_quantile(values, np.ones(80), 0.5) == 4


def test_quantile_over_patients_holds_for_a_new_patient_whose_images_are_alike():
    """Ten images each, nearly the same: taken for 200 independent ones, the quantile would be too small."""
    generator = np.random.default_rng(1)
    held, kept = [], []
    for _ in range(1000):
        own = generator.normal(size=(20, 1)) + 0.1 * generator.normal(size=(20, 10))
        names = np.repeat(np.arange(19).astype(str), 10)
        q = patient_quantile(own[:19].ravel(), names, np.full(190, 0.1), 0.9)
        held.append((own[19] <= q).mean())
        kept.append((own[19] <= np.quantile(own[:19], 0.9)).mean())
    assert 0.89 <= np.mean(held) <= 0.94
    assert np.mean(kept) < np.mean(held)


def test_every_patient_has_weight_one_and_its_clean_images_half():
    patient = np.array(["a", "a", "a", "b", "c", "c"])
    condition = np.array([CLEAN, "x", "y", CLEAN, "x", "y"])
    assert weights(patient, condition).tolist() == [0.5, 0.25, 0.25, 1.0, 0.5, 0.5]


def test_each_patient_is_on_one_side_of_a_fold():
    patient = np.array([f"p{i % 23}" for i in range(200)])
    left = np.zeros(200, int)
    for fit, left_out in folds(patient):
        assert not set(patient[fit]) & set(patient[left_out])
        left += left_out
    assert (left == 1).all()
    assert len(list(folds(patient[:4]))) == 4


def test_conditions_are_unique_and_without_clean():
    assert [each.key for each in conditions_of(["clean", "motion-5", "gaussian--2dB", "motion-5"])] == [
        "motion-5",
        "gaussian--2dB",
    ]
    with pytest.raises(OptionError, match="fog"):
        conditions_of(["fog-3"])


def test_calibration_error_of_a_table_equals_that_of_its_voxels():
    generator = np.random.default_rng(0)
    raw = generator.uniform(0, 0.66, 20_000)
    wrong = generator.uniform(size=20_000) < 0.5 * raw
    table = sum(
        (VoxelTable.of(*part) for part in zip(np.split(raw, 4), np.split(wrong, 4), strict=True)),
        VoxelTable.empty(),
    )
    # The same as class probabilities: the label is class 0, the truth is 1 where it is wrong.
    p = np.stack([1 - raw, raw / 2, raw / 2], axis=1)
    assert ece(table.calibration_sums()) == pytest.approx(reliability(p, wrong.astype(int)).ece, abs=1e-9)
    assert ece(VoxelTable.empty().calibration_sums()) is None


def test_error_curve_matches_the_observed_error_rates():
    generator = np.random.default_rng(0)
    raw = generator.uniform(0, 0.8, 400_000)
    curve = fit_error_curve(VoxelTable.of(raw, generator.uniform(size=raw.size) < raw**2))
    x = np.linspace(0.05, 0.75, 50)
    assert np.abs(curve(x) - x**2).max() < 0.02
    assert len(curve.raw) <= 64
    assert (curve.raw[0], curve.raw[-1]) == (0, 1)
    assert (np.diff(curve.raw) > 0).all()
    assert (np.diff(curve.calibrated) >= 0).all()


def test_error_curve_is_monotonic_where_error_rates_are_not():
    """Voxels of .3 to .5 are less often wrong than those of .1 to .3."""
    raw = np.repeat([0.2, 0.4, 0.6], 1000)
    wrong = np.concatenate([np.arange(1000) < n for n in (300, 100, 500)])
    curve = fit_error_curve(VoxelTable.of(raw, wrong))
    assert curve(np.array([0.25, 0.35])) == pytest.approx([0.2, 0.2], abs=0.06)
    assert (np.diff(curve.calibrated) >= 0).all()


@pytest.mark.parametrize("name", ["temperature", "beta", "histogram binning"])
def test_other_curves_reduce_the_calibration_error(name):
    """Logits twice as large as they should be."""
    generator = np.random.default_rng(0)
    true = generator.uniform(0.01, 0.99, 200_000)
    raw = expit(2 * np.log(true / (1 - true)))
    table = VoxelTable.of(raw, generator.uniform(size=true.size) < true)
    before, after = ece(table.calibration_sums()), ece(table.calibration_sums(OTHERS[name](table)))
    assert after < 0.2 * before


def test_volume_interval_follows_the_spread_and_is_narrower_than_without_it(cases):
    rule = fit_volume_rule(cases)
    assert rule.center == "mask"  # the other one has .3 ml of noise
    assert rule.quantile == pytest.approx(1.645, rel=0.15)
    assert rule.floor_ml < 0.1
    own, plain = cross_validate_intervals(cases), cross_validate_intervals(cases, without_uncertainty)
    assert 0.86 <= cases.mean(own.covered) <= 0.95
    assert 0.86 <= cases.mean(plain.covered) <= 0.96
    assert cases.mean(own.width_ml) < 0.9 * cases.mean(plain.width_ml)
    for condition in CONDITIONS:
        assert 0.83 <= own.covered[cases.condition == condition].mean() <= 0.97


def test_choice_of_a_volume_rule_ignores_left_out_patients(cases):
    """Their truths are put far away: what is fitted on the others does not change."""
    few = cases.take(np.arange(60))
    for fit, left_out in folds(few.patient):
        moved = np.where(left_out, 1000.0, few.true_volume_ml)
        there = fit_volume_rule(few.take(fit))
        assert fit_volume_rule(replace(few, true_volume_ml=moved).take(fit)) == there
        break
    validated = cross_validate_intervals(few)
    moved = few.true_volume_ml.copy()
    moved[few.patient == "p000"] = 1000.0
    again = cross_validate_intervals(replace(few, true_volume_ml=moved))
    own = few.patient == "p000"
    assert not again.covered[own].any()
    assert (again.width_ml[own] == validated.width_ml[own]).all()


def test_interval_equals_that_of_the_library(cases):
    results = _results(12)
    loaded = Calibration.parse(fit_all(results, "data", NAMES).content)
    own = StructureCases.of(results, 1)
    rule, quality = fit_volume_rule(own), fit_quality(own)
    choice_of = curve_cases(results, own.weight)
    curve = make_curve(choose_curve(choice_of).name, choice_of)
    few = cases.take(np.arange(5))
    low, high = rule.intervals(few)
    predicted = quality.predict(few)
    for i in range(5):
        scores = StructureScores(label=1, **{name: values[i] for name, values in few.scores.items()})
        assert loaded.volume_interval_ml(scores) == pytest.approx((low[i], high[i]))
        assert loaded.expected_dsc(scores) == pytest.approx([each[i] for each in predicted])
    assert loaded.error_probability(np.array([0.3]))[0] == pytest.approx(float(curve(0.3)), abs=1e-5)


def test_quality_model_finds_the_coefficients_that_made_the_dice(cases):
    x = cases.scores["expected_dice"]
    made = replace(cases, dsc=expit(2 + 3 * (x - 0.9) / 0.05))
    model = fit_quality_model(made, ("expected_dice",), 1e-9)
    assert model.coefficients[0] / model.scale[0] == pytest.approx(60, rel=1e-3)
    assert expit(model.eta(made)) == pytest.approx(made.dsc, abs=1e-4)
    perfect = fit_quality_model(replace(cases, dsc=np.ones(len(x))), ("expected_dice",), 1e-2)
    assert (expit(perfect.eta(cases)) > 0.9).all()


def test_predicted_quality_has_an_interval_with_the_right_coverage(cases):
    rule = fit_quality(cases)
    assert rule.model.features[0] == "expected_dice"
    assert rule.low <= 0 <= rule.high
    validated = cross_validate_quality(cases)
    assert 0.86 <= cases.mean(validated.covered(cases)) <= 0.95
    assert cases.mean(np.abs(validated.predicted - cases.dsc)) < 0.06
    assert (validated.low <= validated.predicted).all()
    assert (validated.predicted <= validated.high).all()


def test_empty_mask_has_a_quality_of_zero_and_is_left_out_of_the_fit(cases):
    empty = np.zeros(len(cases), bool)
    empty[::7] = True
    scores = {name: np.where(empty, 0.0, values) for name, values in cases.scores.items()}
    some = replace(cases, scores=scores, dsc=np.where(empty, 0.0, cases.dsc))
    predicted, _, high = fit_quality(some).predict(some)
    assert (predicted[empty] == 0).all()
    again = fit_quality(some.masks())
    assert (fit_quality(some).model.intercept, fit_quality(some).low) == (again.model.intercept, again.low)
    assert (high[empty] == 0).all()
    validated = cross_validate_quality(some)
    assert validated.covered(some)[empty].all()
    assert np.abs(predicted - some.dsc)[~empty].mean() < 0.06


def test_parts_with_too_few_patients_are_left_out_with_the_reason():
    fitted = fit_all(_results(LEAST_PATIENTS - 1), "data", NAMES)
    assert set(fitted.content) == {"schema", "record", "error_probability"}
    assert [line.split(":")[0] for line in fitted.left_out] == ["volumes left out", "quality left out"]
    assert "9 validation patients, at least 10" in fitted.left_out[0]
    none = fit_all(_results(2), "data", NAMES)
    assert none.content is None
    assert len(none.left_out) == 3
    assert list(lines(none))


def test_record_names_the_data_and_the_performance():
    fitted = fit_all(_results(LEAST_PATIENTS), "data", NAMES)
    record = {"data": "data", "patients": 10, "conditions": list(CONDITIONS), "cases": 30, "folds": 10}
    assert fitted.content["record"] == record
    Calibration.parse(fitted.content)
    text = "\n".join(lines(fitted))
    for word in ("10-fold", "isotonic", "Left half: 90 % volume interval covers", "boundary_uncertainty"):
        assert word in text
    figures = fitted.figures["error_probability"]["near"]["pool"]
    assert figures["isotonic"] < 0.3 * figures["raw"]


def _rounded(content: dict) -> dict:
    """Sums over more terms, even if these are 0, are rounded differently."""
    return json.loads(json.dumps(content), parse_float=lambda text: round(float(text), 9))


def test_unseen_condition_is_measured_and_changes_nothing_else():
    results = _results(20)
    others = [result for result in results if result.condition != "motion-5"]
    whole, without = fit_all(results, "data", NAMES, {"motion-5"}), fit_all(others, "data", NAMES)
    assert _rounded(whole.content) == _rounded(without.content)
    assert (whole.figures["unseen"], without.figures["unseen"]) == (["motion-5"], [])
    for part, place in (("error_probability", "near"), ("volumes", "Left half"), ("quality", "Left half")):
        own = dict(whole.figures[part][place])
        assert own.pop("motion-5") is not None
        assert _rounded(own) == _rounded(without.figures[part][place])
    text = "\n".join(lines(whole))
    assert "motion-5*" in text
    assert "under a condition unseen: " in text
    assert "unseen" not in "\n".join(lines(without))


def test_hardly_any_clean_image_has_an_unusually_low_expected_dsc():
    cases = StructureCases.of(_results(60), 1)
    rule = fit_quality(cases)
    limit = unusual_below(rule, cases)
    expected, clean = rule.predict(cases)[0], cases.condition == CLEAN
    assert np.mean(expected[clean & ~cases.failed] < limit) <= UNUSUAL
    assert np.mean(expected[~clean] < limit) > 0.5
    assert fit_all(_results(60), "data", NAMES).content["quality"][0]["unusual_below"] == limit


def test_without_clean_images_no_expected_dsc_is_unusual():
    cases = StructureCases.of(_results(30), 1)
    assert unusual_below(fit_quality(cases), cases.take(cases.condition != CLEAN)) == 0
