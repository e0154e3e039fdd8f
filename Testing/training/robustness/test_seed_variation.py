"""Groups of seeds in the summary: means and ranges of all measures, and groups against each other."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest

from trustseg_training.metrics.calibration_error import Reliability, reliability
from trustseg_training.robustness.seed_variation import check_groups, differences, over_seeds
from trustseg_training.robustness.tables import Tables
from TrustSegLib.errors import OptionError

PATIENTS = ("p1", "p2", "p3", "p4")
GROUPS = {"ours": ["v1", "v2"], "theirs": ["d1", "d2", "d3"]}
MODELS = ("v1", "v2", "d1", "d2", "d3", "ensemble")

#: Dice of every model in every patient: seeds vary, and each patient is equally hard for all models.
DICE = {"v1": 0.90, "v2": 0.88, "d1": 0.80, "d2": 0.82, "d3": 0.78, "ensemble": 0.85}


def tables(models: tuple[str, ...] = MODELS) -> Tables:
    """Four patients under two conditions; an AUROC is missing once, p4 has two images."""
    structures, cases, sums = [], [], {}
    generator = np.random.default_rng(0)
    for model in models:
        for condition in ("clean", "blur-3"):
            for number, case in enumerate((*PATIENTS, "p4-again")):
                patient = case[:2]
                header = {"model": model, "condition": condition, "case": case, "patient": patient}
                dice = DICE[model] - 0.1 * min(number, 3)
                structures.append({**header, "structure": "Left", "dice": dice})
                auroc = None if (model, case) == ("d2", "p1") else DICE[model] + 0.01 * number
                cases.append({**header, "error_probability_near_auroc": auroc})
                found = reliability(generator.dirichlet([5, 1, 1], 40), generator.integers(0, 3, 40))
                sums[model, condition, case] = found
    return Tables(pandas.DataFrame(structures), pandas.DataFrame(cases), sums, [])


def _value(number: float | None) -> dict:
    return {"value": number, "low": None, "high": None}


def _condition(dice: float, hd95: float | None, ece: float, auroc: float | None) -> dict:
    return {
        "structures": {"Left": {"dice": _value(dice), "hd95_mm": _value(hd95), "difference": None}},
        "calibration": {"ece": _value(ece), "brier": _value(0.1)},
        "detection": {"entropy": {"auroc": _value(auroc), "average_precision": _value(0.4)}},
    }


@pytest.fixture
def summary() -> dict:
    """Two networks, of which one has no HD95 under blur and no gamma at all."""
    a = {"clean": _condition(0.9, 1.0, 0.02, 0.9), "blur-3": _condition(0.8, None, 0.04, 0.8)}
    b = {"clean": _condition(0.8, 3.0, 0.06, 0.7), "blur-3": _condition(0.6, 5.0, 0.05, None)}
    return {"conditions": {"a": {**a, "gamma-2": a["clean"]}, "b": b}, "pool": {"a": {}, "b": {}}}


def test_every_measure_of_a_condition_has_mean_and_range_over_the_networks(summary):
    found = over_seeds(summary, {"both": ["a", "b"]})["both"]
    assert found["models"] == ["a", "b"]
    assert found["hd95_mm"]["clean"]["Left"] == {"mean": 2.0, "low": 1.0, "high": 3.0, "seeds": 2}
    assert found["hd95_mm"]["blur-3"]["Left"] == {"mean": 5.0, "low": 5.0, "high": 5.0, "seeds": 1}
    assert found["calibration"]["clean"]["ece"] == {"mean": 0.04, "low": 0.02, "high": 0.06, "seeds": 2}
    detected = found["detection"]["clean"]["entropy"]
    assert detected["auroc"] == {"mean": pytest.approx(0.8), "low": 0.7, "high": 0.9, "seeds": 2}
    assert detected["average_precision"]["mean"] == 0.4
    assert found["detection"]["blur-3"]["entropy"]["auroc"]["seeds"] == 1
    assert list(found["dice"]) == ["clean", "blur-3"], "gamma is of one network only"


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"g": ["a", "c"]}, "seeds g: no model is named c; use some of a, b"),
        ({"g": ["a", "a"]}, "seeds g: a is in g already"),
        ({"g": ["a"], "h": ["b", "a"]}, "seeds h: a is in g already"),
        ({"a": ["a", "b"]}, "seeds a: a model has this name"),
    ],
)
def test_invalid_group_is_refused(groups, said):
    with pytest.raises(OptionError, match=said):
        check_groups(groups, ["a", "b"])


def test_every_pair_of_groups_and_other_models_is_compared_once():
    found = differences(tables(), GROUPS)
    pairs = [(each["first"], each["second"], each["networks"]) for each in found]
    assert pairs == [
        ("ours", "theirs", [2, 3]),
        ("ours", "ensemble", [2, 1]),
        ("theirs", "ensemble", [3, 1]),
    ]
    assert all(list(each["conditions"]) == ["clean", "blur-3"] for each in found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_models_with_a_temperature_are_compared_with_each_other():
    scaled = {name: f"{name}+T" for name in ("v1", "v2", "ensemble")}
    plain = tables()
    both = Tables(
        *(
            pandas.concat([rows, rows[rows["model"].isin(scaled)].replace({"model": scaled})])
            for rows in (plain.structures, plain.cases)
        ),
        plain.reliability
        | {(scaled.get(m, m), *rest): found for (m, *rest), found in plain.reliability.items()},
        [],
    )
    found = differences(both, {**GROUPS, "ours+T": ["v1+T", "v2+T"]})
    assert [(each["first"], each["second"]) for each in found] == [
        ("ours", "theirs"),
        ("ours", "ensemble"),
        ("theirs", "ensemble"),
        ("ours+T", "ensemble+T"),
    ]


def test_dice_is_averaged_over_networks_then_over_patients():
    (ours, _, theirs) = differences(tables(), GROUPS)
    dice = ours["conditions"]["clean"]["structures"]["Left"]["dice"]
    assert dice["value"] == pytest.approx(0.89 - 0.80)
    # Each training is drawn, every patient is alike in all: only seed variation is left.
    assert (dice["low"], dice["high"]) == pytest.approx((0.88 - 0.82, 0.90 - 0.78))
    assert dice["patients"] == 4
    alone = theirs["conditions"]["clean"]["structures"]["Left"]["dice"]
    assert (alone["low"], alone["high"]) == pytest.approx((0.78 - 0.85, 0.82 - 0.85))


def test_patient_without_a_value_for_every_network_is_left_out():
    found = differences(tables(), GROUPS)[0]["conditions"]["clean"]["detection"]["error_probability"]["auroc"]
    assert found["patients"] == 3
    assert found["value"] == pytest.approx(0.09)


def test_calibration_error_pools_the_voxels_of_all_patients():
    """The mean of the patients' own errors would be larger: their noise does not cancel."""
    measured = tables()
    found = differences(measured, GROUPS)[0]["conditions"]["blur-3"]["calibration"]["ece"]

    def mean(models: list[str]) -> float:
        cases = (*PATIENTS, "p4-again")
        sums = [
            sum((measured.reliability[model, "blur-3", case] for case in cases), Reliability.empty())
            for model in models
        ]
        return float(np.mean([each.ece for each in sums]))

    assert found["value"] == pytest.approx(mean(GROUPS["ours"]) - mean(GROUPS["theirs"]))
    assert found["low"] < found["value"] < found["high"]


def test_group_of_one_network_draws_patients_only():
    found = differences(tables(("v1", "ensemble")), {"ours": ["v1"]})
    assert [each["networks"] for each in found] == [[1, 1]]
    dice = found[0]["conditions"]["clean"]["structures"]["Left"]["dice"]
    assert (dice["value"], dice["low"], dice["high"]) == pytest.approx((0.05, 0.05, 0.05))


def test_condition_that_one_side_lacks_has_a_missing_difference():
    measured = tables(("v1", "v2", "ensemble"))
    rows = (measured.structures["model"] == "ensemble") & (measured.structures["condition"] == "blur-3")
    lacking = Tables(measured.structures[~rows], measured.cases, measured.reliability, [])
    found = differences(lacking, {"ours": ["v1", "v2"]})[0]["conditions"]["blur-3"]
    missing = {"value": None, "low": None, "high": None, "patients": 0}
    assert found["structures"]["Left"]["dice"] == missing
    assert found["calibration"]["ece"]["patients"] == 4


def test_differences_need_groups():
    assert differences(tables(), {}) == []
    assert over_seeds({"conditions": {}, "pool": {}}, {}) == {}
