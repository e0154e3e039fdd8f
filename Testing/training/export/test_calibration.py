"""The card's section on calibration: what holds in the mean, and what under each condition."""

from __future__ import annotations

from trustseg_training.export.calibration import calibration_section

RECORD = {"data": "d", "patients": 4, "conditions": ["clean", "motion-5"], "cases": 8, "folds": 2}


def _volume(coverage: float) -> dict:
    return {
        "coverage": coverage,
        "coverage_without_uncertainty": 0.8,
        "mean_width_ml": 0.7,
        "mean_width_without_uncertainty_ml": 0.9,
    }


def _quality(predicted: float, coverage: float) -> dict:
    found = {
        "mean_absolute_error": 0.03,
        "mean_absolute_error_of_constant": 0.04,
        "true_dsc": 0.77,
        "predicted_dsc": predicted,
    }
    return {**found, "coverage": coverage}


def test_interval_that_fails_under_one_condition_is_shown():
    volumes = {name: _volume(share) for name, share in (("pool", 0.9), ("clean", 0.95), ("motion-5", 0.7))}
    quality = {name: _quality(0.84, 0.6) for name in volumes}
    quality["ranking"] = {"predicted": {"failure_auroc": None, "spearman": -0.5}}
    figures = {"volumes": {"Left": volumes, "Right": volumes}, "quality": {"Left": quality}}
    text = calibration_section({"record": RECORD}, figures)
    assert "| motion-5 | 70.0% | 80.0% | 0.770 | 0.840 | 60.0% |" in text
    heads = "volume interval covers | without uncertainty | true DSC | expected DSC | covers |"
    assert f"| Left | {heads}" in text
    assert "| Right | volume interval" not in text, "it has no expected DSC"


def test_condition_that_no_fit_has_seen_is_marked():
    volumes = {name: _volume(0.9) for name in ("pool", "clean", "motion-5")}
    quality = {name: _quality(0.84, 0.6) for name in volumes}
    quality["ranking"] = {"predicted": {"failure_auroc": None, "spearman": -0.5}}
    figures = {"volumes": {"Left": volumes}, "quality": {"Left": quality}, "unseen": ["motion-5"]}
    text = calibration_section({"record": RECORD}, figures)
    assert "seen by no fit (*): motion-5." in text
    assert "| motion-5 * | 90.0%" in text
    assert "| clean | 90.0%" in text


def test_model_without_calibration_claims_no_intervals():
    assert "None: there are no intervals" in calibration_section(None, {})


def test_scales_that_were_fitted_outside_of_the_folds_are_reported():
    content, figures = {"record": RECORD}, {}
    options = {"temperature": 1.5061, "variance_scale": 18.79, "passes": 20}
    text = calibration_section(content, figures, options)
    assert "not within the folds" in text
    assert "logits divided by the temperature 1.51, their propagated variance multiplied by 18.8." in text
    fit = {"conditions": ["clean", "gaussian-2dB"]}
    sizes = {"volume_bias_before": 0.058, "volume_bias_after": -0.001}
    sizes |= {"dice_before": 0.895, "dice_after": 0.8951}
    options = {"temperature": 2.0, "class_bias": [-0.31, 0.02]}
    biased = calibration_section(content, figures, options, {**fit, "masks": {"Left": sizes}})
    assert "(clean, gaussian-2dB): logits divided by the temperature 2, logits of the struc" in biased
    assert "moved by -0.310, +0.020 before. This" in biased
    assert "| Left | +5.8 % | \N{MINUS SIGN}0.1 % | 0.895 | 0.895 |" in biased
    only = calibration_section(content, figures, {"temperature": 2.0})
    assert "the temperature 2. This" in only
    assert "folds, the network" not in calibration_section(content, figures, {"passes": 20})
