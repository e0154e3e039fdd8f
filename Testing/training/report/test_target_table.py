"""Targets beside the measured values, groups of seeds, and the robustness record for a bundle."""

from __future__ import annotations

import csv
import json

import pytest

from trustseg_training.report.readings import look_up
from trustseg_training.report.target_table import COLUMNS, check, load_targets, markdown, names
from trustseg_training.robustness.model_record import robustness_markdown, robustness_record
from trustseg_training.robustness.seed_variation import check_groups, over_seeds
from trustseg_training.robustness.suite import load_suite
from trustseg_training.robustness.summary import read_summary
from TrustSegLib.errors import OptionError


def value(number: float | None) -> dict:
    return {"value": number, "low": None if number is None else number - 0.01, "high": number}


def condition(dice: float, expected: float, ece: float) -> dict:
    return {
        "structures": {
            "Left": {"dice": value(dice), "hd95_mm": value(1.5), "expected_dice": value(expected)},
        },
        "detection": {"error_probability": {"auroc": value(0.9)}},
        "calibration": {"ece": value(ece), "brier": value(0.1), "nll": value(0.2)},
    }


def pool(auroc: float | None) -> dict:
    return {
        "failure_auroc": value(auroc),
        "aurc": value(0.1),
        "spearman": value(-0.9),
        "growth": {"growing": 19, "chains": 20},
        "brightness": {"gain-2": -0.04},
    }


@pytest.fixture
def summary() -> dict:
    return {
        "suite": "own",
        "title": "Own",
        "data": "data",
        "split": "val",
        "seed": 0,
        "cases": 4,
        "command": "trustseg-train verify a b",
        "models": {"a": "aa", "b": "bb"},
        "networks": {"a": {"family": "vdp"}, "b": {"family": "ensemble"}},
        "conditions": {
            "a": {"clean": condition(0.90, 0.91, 0.02), "blur-3": condition(0.70, 0.80, 0.05)},
            "b": {"clean": condition(0.88, 0.91, 0.03), "blur-3": condition(0.74, 0.80, 0.07)},
        },
        "pool": {
            "a": {"expected_dice": pool(0.95), "mean_entropy": pool(None)},
            "b": {"expected_dice": pool(0.90), "pairwise_dice": {**pool(0.97), "aurc": value(0.08)}},
        },
    }


def targets(tmp_path, *lines: tuple) -> list:
    path = tmp_path / "own.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*COLUMNS, "published"])
        writer.writerows(("Part", "row", *line[:5], "a source", line[5]) for line in lines)
    return load_targets(str(path))


def test_target_is_met_or_missed_by_its_sense(summary, tmp_path):
    found = targets(
        tmp_path,
        ("dice", "clean", "Left", "at least", ".90", ".79"),
        ("dice", "clean", "Left", "above", ".90", ""),
        ("ece", "clean", "", "at most", ".02", ""),
        ("ece", "clean", "", "below", ".02", ""),
        ("dice", "motion-3", "Left", "at least", ".1", ""),
    )
    assert [each.met for each in check(found, summary, "a")] == [True, False, True, False, None]


def test_target_can_be_another_model_and_its_own_score(summary, tmp_path):
    found = targets(
        tmp_path,
        ("dice", "clean", "Left", "above", "b", ""),
        ("aurc", "pool", "expected_dice", "below", "b:pairwise_dice", ""),
        ("ece", "clean", "", "at most", "nobody", ""),
    )
    checked = check(found, summary, "a")
    assert [each.met for each in checked] == [True, False, None]
    assert [each.threshold for each in checked] == [0.88, 0.08, None]


def test_worst_condition_depends_on_the_sense_and_is_named(summary):
    assert look_up(summary, "a", "ece", "worst", "", low_is_good=True).condition == "blur-3"
    assert look_up(summary, "a", "dice", "worst", "Left").value == 0.70
    gap = look_up(summary, "a", "expected_dice_gap", "worst", "Left", low_is_good=True)
    assert (gap.value, gap.condition) == (pytest.approx(0.1), "blur-3")


def test_brightness_and_volume_bias_count_in_both_directions_and_growth_as_a_share(summary):
    assert look_up(summary, "a", "brightness", "gain-2", "expected_dice").value == 0.04
    summary["conditions"]["a"]["clean"]["structures"]["Left"]["volume_bias"] = value(-0.02)
    assert look_up(summary, "a", "absolute_volume_bias", "clean", "Left").value == 0.02
    assert look_up(summary, "a", "growth", "pool", "expected_dice").value == 0.95
    assert look_up(summary, "a", "failure_auroc", "pool", "mean_entropy") is None


def test_table_has_published_target_and_measured_values(summary, tmp_path):
    found = targets(
        tmp_path,
        ("dice", "clean", "Left", "at least", ".95", ".79"),
        ("dice", "clean", "Left", "at least", ".85", ""),
        ("nll", "motion-3", "", "at most", "b", ""),
    )
    text = markdown(check(found, summary, "a"), "a")
    assert "| row: Dice | Left | .79 | a source | at least .95 | 0.900 [0.890, 0.900] | **missed** |" in text
    assert text.endswith("a: 1 of 2 targets are met; 1 not measured.\n")


def test_targets_of_the_hippocampus_have_conditions_of_a_suite():
    known = {key for suite in ("noise", "artifacts") for key in load_suite(suite).conditions}
    found = load_targets("hippocampus")
    assert "hippocampus" in names()
    assert {each.condition for each in found} <= known | {"pool", "worst"}
    clean = next(each for each in found if (each.measure, each.condition) == ("dice", "clean"))
    assert (clean.target, clean.published["SUPER-Net"], clean.published["plain 3D U-Net"]) == (
        ".895",
        ".79",
        ".892",
    )


def test_published_levels_have_conditions_of_their_suite_and_targets_above_every_published_value():
    found = load_targets("hippocampus-published")
    assert {each.condition for each in found} == set(load_suite("published").conditions) - {"clean"}
    for each in found:
        assert float(each.target) == max(map(float, each.published.values()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what,measure\na,b\n", "line 2: needs a value for each column"),
        (",".join(COLUMNS) + "\na,b,dice,clean,Left,more than,.9,c\n", "line 2: sense 'more than'"),
    ],
)
def test_error_names_the_invalid_line_of_targets(tmp_path, text, said):
    path = tmp_path / "own.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=said):
        load_targets(str(path))


def test_unknown_targets_and_models_are_refused(summary):
    with pytest.raises(OptionError, match="hippocampus"):
        load_targets("hipocampus")
    with pytest.raises(OptionError, match="name one of a, b"):
        check([], summary, "c")


def test_seeds_have_mean_and_range(summary):
    found = over_seeds(summary, {"both": ["a", "b"]})["both"]
    assert found["dice"]["blur-3"]["Left"] == {"mean": 0.72, "low": 0.70, "high": 0.74, "seeds": 2}
    assert list(found["pool"]) == ["expected_dice"]
    assert found["pool"]["expected_dice"]["failure_auroc"]["mean"] == pytest.approx(0.925)
    with pytest.raises(OptionError, match="no model is named c"):
        check_groups({"both": ["a", "c"]}, ["a", "b"])


def test_robustness_record_is_that_of_the_model_and_its_weights(summary, tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    found = robustness_record(tmp_path, "a", "aa")
    assert found["conditions"]["clean"]["structures"]["Left"]["dice"]["value"] == 0.90
    assert found["network"] == {"family": "vdp"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    text = robustness_markdown(found)
    assert "| clean | 0.900 [0.890, 0.900] | 1.50 [1.49, 1.50] | 0.020 [0.010, 0.020] |" in text
    assert "best is `expected_dice`: AUROC 0.950" in text
    assert "before any temperature or calibration" in text
    scaled = {**found, "network": {"family": "vdp", "options": {"temperature": 1.5}}}
    assert "with the temperature 1.50" in robustness_markdown(scaled)
    with pytest.raises(OptionError, match="other weights"):
        robustness_record(tmp_path, "a", "bb")
    with pytest.raises(OptionError, match="but a, b"):
        robustness_record(tmp_path, "c")


@pytest.mark.parametrize("text", [None, "{", "{}", "[]"])
def test_folder_without_a_summary_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "summary.json").write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=r"summary\.json"):
        read_summary(tmp_path)
