"""The sentences that a physician reads, on summaries that are made by hand."""

from __future__ import annotations

import pytest

from trustseg_training.corruptions import parse
from trustseg_training.report import sentences
from trustseg_training.report.named_conditions import ATTACKS, CLEAN_GROUP, NOISE, named_conditions
from trustseg_training.report.tables import Comparison, comparisons_of
from trustseg_training.robustness.suite import Suite

SUITE = Suite("own", "Own", tuple(map(parse, ("gaussian-8dB", "gaussian-0dB", "motion-3"))))
CONDITIONS = named_conditions(SUITE)


def mean(value: float | None) -> dict:
    return {"value": value, "low": value, "high": value, "patients": 3}


def summary(**dice: list[float | None]) -> dict:
    """Dice of one structure for each model, condition by condition."""
    conditions = {
        model: {
            key: {"structures": {"Organ": {"dice": mean(value), "difference": None}}}
            for key, value in zip(SUITE.conditions, values, strict=True)
        }
        for model, values in dice.items()
    }
    return {"seed": 7, "conditions": conditions, "pool": {}}


def with_auroc(value: float | None, low: float | None = None) -> dict:
    auroc = {"value": value, "low": low, "high": value}
    return {**summary(a=[0.9] * 4), "pool": {"a": {"expected_dice": {"failure_auroc": auroc}}}}


def with_voxels(name: str, right: float, wrong: float) -> dict:
    found = summary(a=[0.9, 0.8, 0.7, 0.9])
    for rows in found["conditions"]["a"].values():
        rows["detection"] = {name: {"mean_correct": mean(right), "mean_wrong": mean(wrong)}}
    return found


def test_best_model_has_the_highest_mean_over_the_conditions_of_the_group():
    data = summary(a=[0.5, 0.9, 0.7, 0.1], b=[0.9, 0.8, 0.6, 0.9])
    said = sentences.best(data, CONDITIONS, NOISE)
    assert said == "Under noise (2 conditions), a has the highest mean Dice: .800, against .700 of b."
    assert "b has the highest mean Dice: .900" in sentences.best(data, CONDITIONS, CLEAN_GROUP)


def test_level_models_are_named_together():
    data = summary(a=[0.9] * 4, b=[0.904] * 4, c=[0.8] * 4)
    said = sentences.best(data, CONDITIONS, CLEAN_GROUP)
    assert said == "On clean images, b (.904) and a (.900) are level and ahead, against .800 of c."
    assert "of all models is level" in sentences.best(summary(a=[0.9] * 4, b=[0.904] * 4), CONDITIONS, NOISE)


def test_model_with_a_missing_value_is_named_and_left_out():
    said = sentences.best(summary(a=[0.9, None, 0.9, 0.9], b=[0.9, 0.5, 0.5, 0.9]), CONDITIONS, NOISE)
    assert said == (
        "Under noise (2 conditions), the mean Dice of b is .500. a could not be measured under all of them."
    )
    assert sentences.best(summary(a=[None] * 4), CONDITIONS, NOISE).endswith("no model could be compared.")


def test_group_without_conditions_has_no_sentence():
    assert sentences.best(summary(a=[0.9] * 4), CONDITIONS, ATTACKS) is None


def test_single_model_has_its_mean_dice():
    said = sentences.best(summary(a=[0.9] * 4), CONDITIONS, CLEAN_GROUP)
    assert said == "On clean images, the mean Dice of a is .900."


def test_failures_are_below_the_limit_and_listed_from_the_worst():
    said = sentences.failures(summary(a=[0.9, 0.79, 0.5, 0.8]), CONDITIONS, "a")
    assert said == (
        "a fails (mean Dice of a structure below .8) under 2 of 4 conditions: "
        "Gaussian noise, 0 dB (Organ .500) and Gaussian noise, 8 dB (Organ .790)."
    )


def test_model_above_the_limit_does_not_fail_under_the_measured_conditions():
    said = sentences.failures(summary(a=[0.9, 0.8, 0.8, 0.8]), CONDITIONS, "a")
    assert said == "a does not fail: every structure has a mean Dice of at least .8 under 4 conditions."
    missing = sentences.failures(summary(a=[0.9, None, 0.8, 0.8]), CONDITIONS, "a")
    assert missing.endswith("under 3 conditions. 1 condition could not be measured in full.")


def test_long_lists_of_failures_end_with_a_number(monkeypatch):
    monkeypatch.setattr(sentences, "MOST_LISTED", 1)
    said = sentences.failures(summary(a=[0.1, 0.2, 0.3, 0.9]), CONDITIONS, "a")
    assert said.endswith("under 3 of 4 conditions: clean image (Organ .100) and 2 more.")


@pytest.mark.parametrize(
    ("value", "word"),
    [(0.95, "warns reliably"), (0.949, "often, but not always"), (0.6, "weakly"), (0.59, "does not warn")],
)
def test_words_of_warning_follow_the_auroc(value, word):
    assert word in sentences.warns(with_auroc(value), "a")


def test_warning_mentions_chance_if_the_interval_includes_one_half():
    assert "chance could explain" in sentences.warns(with_auroc(0.9, 0.5), "a")
    assert "chance" not in sentences.warns(with_auroc(0.9, 0.51), "a")


def test_warning_needs_failed_and_good_cases():
    assert "cannot be evaluated" in sentences.warns(with_auroc(None), "a")
    assert "cannot be evaluated" in sentences.warns(summary(a=[0.9] * 4), "a")


def test_wrong_voxels_are_reported_clean_and_under_the_worst_condition():
    said = sentences.wrong_voxels(with_voxels("error_probability", 0.02, 0.3), CONDITIONS, "a")
    assert said.endswith(
        "30.0 % against 2.0 % on clean images and 30.0 % against 2.0 % under the worst condition "
        "(Gaussian noise, 0 dB)."
    )
    assert sentences.wrong_voxels(summary(a=[0.9] * 4), CONDITIONS, "a") is None


def test_missing_variance_is_reported_if_it_was_measured_as_zero():
    assert "gives no variance" in sentences.no_variance(with_voxels("predictive_variance", 0, 0), "a")
    assert sentences.no_variance(with_voxels("predictive_variance", 0, 1e-6), "a") is None
    assert sentences.no_variance(summary(a=[0.9] * 4), "a") is None


def test_only_differences_with_a_small_corrected_p_value_are_significant():
    def compared(value: float, p: float) -> Comparison:
        return Comparison("b", "clean", "Organ", value, None, None, p)

    three = [compared(0.1, 0.01), compared(-0.1, 0.02), compared(0.3, 0.05)]
    said = sentences.significant(three, "b", "a")
    assert "significantly better in 1 and significantly worse in 1 of 3 comparisons" in said
    assert sentences.significant(three[2:], "b", "a") == (
        "b does not differ significantly from a in any of 1 comparison."
    )
    assert sentences.significant(three, "c", "a") is None


def test_comparisons_of_all_models_are_corrected_together():
    data = summary(a=[0.9] * 4, b=[0.9] * 4)
    for key, p in (("clean", 0.01), ("motion-3", 0.04), ("gaussian-8dB", None)):
        difference = {"mean": {"value": 0.1, "low": 0.0, "high": 0.2}, "p_value": p}
        data["conditions"]["b"][key]["structures"]["Organ"]["difference"] = difference
    found = {each.condition: each.corrected for each in comparisons_of(data)}
    assert found == {"clean": pytest.approx(0.02), "motion-3": pytest.approx(0.04), "gaussian-8dB": None}


def test_models_patients_and_conditions_are_counted():
    said = sentences.measured(summary(a=[0.9] * 4), CONDITIONS, 1, "Own")
    assert said == (
        "1 model (a) on 1 patient, suite “Own”, 4 conditions: the clean image, 2 under noise and 1 under "
        "image artifacts. Random numbers start from seed 7."
    )


def test_few_patients_have_a_caution():
    assert "only 19 patients" in sentences.caution(19)
    assert sentences.caution(20) is None


def test_temperature_fitted_on_these_patients_is_reported():
    data = {
        **summary(a=[0.9] * 4),
        "networks": {"a": {"options": {"temperature": 1.5}}, "b": {"options": {}}},
    }
    said = "a has a temperature that was fitted on validation patients: if these are the same, ECE"
    assert sentences.fitted_here(data).startswith(said)
    data["networks"]["a+T"] = {"options": {"temperature": 1.4}}  # fitted on the other half
    assert "+T" not in sentences.fitted_here(data)
    data["networks"]["b"] = {"options": {"temperature": 1.2}}
    assert sentences.fitted_here(data).startswith("a and b have temperatures that were fitted")
    assert sentences.fitted_here({**data, "networks": {"b": {"options": {"temperature": 1.0}}}}) is None
    assert sentences.fitted_here(summary(a=[0.9] * 4)) is None
