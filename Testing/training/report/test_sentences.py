"""The sentences that a physician reads, on summaries that are made by hand."""

from __future__ import annotations

import pytest

from trustseg_training.corruptions import parse
from trustseg_training.report import numbers, sentences
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


def test_best_is_the_highest_mean_over_the_conditions_of_the_group_only():
    told = summary(a=[0.5, 0.9, 0.7, 0.1], b=[0.9, 0.8, 0.6, 0.9])
    said = sentences.best(told, CONDITIONS, NOISE)
    assert said == "Under noise (2 conditions), a has the highest mean Dice: .800, against .700 of b."
    assert "b has the highest mean Dice: .900" in sentences.best(told, CONDITIONS, CLEAN_GROUP)


def test_models_that_are_level_are_not_ranked():
    told = summary(a=[0.9] * 4, b=[0.904] * 4, c=[0.8] * 4)
    said = sentences.best(told, CONDITIONS, CLEAN_GROUP)
    assert said == "On clean images, b (.904) and a (.900) are level and ahead, against .800 of c."
    assert "of all models is level" in sentences.best(summary(a=[0.9] * 4, b=[0.904] * 4), CONDITIONS, NOISE)


def test_model_with_a_missing_value_is_not_compared_and_named():
    said = sentences.best(summary(a=[0.9, None, 0.9, 0.9], b=[0.9, 0.5, 0.5, 0.9]), CONDITIONS, NOISE)
    assert said == (
        "Under noise (2 conditions), the mean Dice of b is .500. a could not be measured under all of them."
    )
    assert sentences.best(summary(a=[None] * 4), CONDITIONS, NOISE).endswith("no model could be compared.")


def test_nothing_is_said_of_conditions_that_were_not_measured():
    assert sentences.best(summary(a=[0.9] * 4), CONDITIONS, ATTACKS) is None


def test_one_model_is_the_best_of_nothing():
    said = sentences.best(summary(a=[0.9] * 4), CONDITIONS, CLEAN_GROUP)
    assert said == "On clean images, the mean Dice of a is .900."


def test_failures_are_listed_from_the_worst_and_at_the_limit_is_none():
    said = sentences.failures(summary(a=[0.9, 0.79, 0.5, 0.8]), CONDITIONS, "a")
    assert said == (
        "a fails (mean Dice of a structure below .8) under 2 of 4 conditions: "
        "Gaussian noise, 0 dB (Organ .500) and Gaussian noise, 8 dB (Organ .790)."
    )


def test_model_without_failure_is_said_to_have_none_of_what_was_measured():
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


def test_warning_that_chance_explains_is_said_to_be_so():
    assert "chance could explain" in sentences.warns(with_auroc(0.9, 0.5), "a")
    assert "chance" not in sentences.warns(with_auroc(0.9, 0.51), "a")


def test_warning_cannot_be_judged_without_failed_and_good_cases():
    assert "cannot be judged" in sentences.warns(with_auroc(None), "a")
    assert "cannot be judged" in sentences.warns(summary(a=[0.9] * 4), "a")


def test_wrong_voxels_are_told_clean_and_under_the_worst_condition():
    said = sentences.wrong_voxels(with_voxels("error_probability", 0.02, 0.3), CONDITIONS, "a")
    assert said.endswith(
        "30.0 % against 2.0 % on clean images and 30.0 % against 2.0 % under the worst condition "
        "(Gaussian noise, 0 dB)."
    )
    assert sentences.wrong_voxels(summary(a=[0.9] * 4), CONDITIONS, "a") is None


def test_model_without_variance_is_named_only_if_it_has_none():
    assert "gives no variance" in sentences.no_variance(with_voxels("predictive_variance", 0, 0), "a")
    assert sentences.no_variance(with_voxels("predictive_variance", 0, 1e-6), "a") is None
    assert sentences.no_variance(summary(a=[0.9] * 4), "a") is None


def test_only_what_is_significant_after_correction_is_proven():
    def compared(value: float, p: float) -> Comparison:
        return Comparison("b", "clean", "Organ", value, None, None, p)

    three = [compared(0.1, 0.01), compared(-0.1, 0.02), compared(0.3, 0.05)]
    said = sentences.proven(three, "b", "a")
    assert "better in 1 and worse in 1 of 3 comparisons" in said
    assert sentences.proven(three[2:], "b", "a") == (
        "No difference of b to a is proven in any of 1 comparison."
    )
    assert sentences.proven(three, "c", "a") is None


def test_comparisons_of_all_models_are_corrected_together():
    told = summary(a=[0.9] * 4, b=[0.9] * 4)
    for key, p in (("clean", 0.01), ("motion-3", 0.04), ("gaussian-8dB", None)):
        difference = {"mean": {"value": 0.1, "low": 0.0, "high": 0.2}, "p_value": p}
        told["conditions"]["b"][key]["structures"]["Organ"]["difference"] = difference
    found = {each.condition: each.corrected for each in comparisons_of(told)}
    assert found == {"clean": pytest.approx(0.02), "motion-3": pytest.approx(0.04), "gaussian-8dB": None}


def test_what_was_measured_is_counted():
    said = sentences.measured(summary(a=[0.9] * 4), CONDITIONS, 1, "Own")
    assert said == (
        "1 model (a) on 1 patient, suite “Own”, 4 conditions: the clean image, 2 under noise and 1 under "
        "image "
        "artifacts. Random numbers start from seed 7."
    )


def test_few_patients_are_warned_of():
    assert "only 19 patients" in sentences.caution(19)
    assert sentences.caution(20) is None


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (numbers.share, 0.8424, ".842"),
        (numbers.share, 1.0, "1.000"),
        (numbers.share, -0.0171, "\N{MINUS SIGN}.017"),
        (numbers.share, -0.0001, ".000"),
        (numbers.share, None, "\N{EN DASH}"),
        (numbers.difference, 0.02, "+.020"),
        (numbers.difference, 0.0001, ".000"),
        (numbers.p_value, 0.0009, "<.001"),
        (numbers.change, -7e-8, "0.0 %"),
        (numbers.change, -0.05, "\N{MINUS SIGN}5.0 %"),
    ],
)
def test_numbers_are_written_without_false_signs(write, value, text):
    assert write(value) == text


def test_temperature_that_was_fitted_here_is_told():
    told = {
        **summary(a=[0.9] * 4),
        "networks": {"a": {"options": {"temperature": 1.5}}, "b": {"options": {}}},
    }
    said = "a carries a temperature that was fitted on validation patients: where these are the same, ECE"
    assert sentences.fitted_here(told).startswith(said)
    told["networks"]["a+T"] = {"options": {"temperature": 1.4}}  # fitted on the other half
    assert "+T" not in sentences.fitted_here(told)
    told["networks"]["b"] = {"options": {"temperature": 1.2}}
    assert sentences.fitted_here(told).startswith("a and b carry temperatures that were fitted")
    assert sentences.fitted_here({**told, "networks": {"b": {"options": {"temperature": 1.0}}}}) is None
    assert sentences.fitted_here(summary(a=[0.9] * 4)) is None
