"""The ranges of the training: what they hold, how often they are wrong, and on which files."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from trustseg_training.calibration.input_reference import (
    FALSE_ALARMS,
    LEAST_PATIENTS,
    ReferenceCase,
    input_reference,
    reference_cases,
)
from trustseg_training.dataset import DatasetError, find_cases
from TrustSegLib.bundle.description import ModelInput
from TrustSegLib.imaging import Normalization
from TrustSegLib.uncertainty.image_features import FIELD, SHARE, SPACING, Fact, Kind
from TrustSegLib.uncertainty.out_of_distribution import differences

WIDE = Kind("intensities", "HU", False, 0.001)


def cases(count: int, seed: int = 0, facts: int = 8) -> list[ReferenceCase]:
    """Patients with facts that are normally distributed."""
    generator = np.random.default_rng(seed)
    return [
        ReferenceCase(
            f"p{index}",
            {
                f"f{fact}": Fact(float(value), WIDE, "")
                for fact, value in enumerate(generator.normal(size=facts))
            },
        )
        for index in range(count)
    ]


def alarms(reference: dict, others: list[ReferenceCase]) -> float:
    return float(np.mean([bool(differences(case.facts, reference)) for case in others]))


@pytest.mark.parametrize("count", [30, 150])
def test_all_facts_together_rarely_call_a_like_patient_unlike(count):
    found = [alarms(input_reference(cases(count, seed)), cases(200, 100 + seed)) for seed in range(5)]
    assert np.mean(found) <= (0.02 if count > 100 else 0.05)


def test_share_of_false_alarms_equals_that_of_new_patients():
    found = np.mean([input_reference(cases(60, seed))["false_alarms"] for seed in range(5)])
    true = np.mean([alarms(input_reference(cases(60, seed)), cases(200, 50 + seed)) for seed in range(5)])
    assert found == pytest.approx(true, abs=0.025)


def test_patients_of_the_reference_are_inside_and_far_ones_outside():
    own = cases(40)
    reference = input_reference(own)
    assert alarms(reference, own) == 0
    assert alarms(reference, [ReferenceCase("x", {"f0": Fact(30.0, WIDE, "far")})]) == 1


def test_many_facts_widen_the_ranges():
    few, many = (input_reference(cases(100, facts=facts))["facts"]["f0"] for facts in (1, 60))
    assert many["high"] - many["low"] > few["high"] - few["low"]
    assert FALSE_ALARMS <= 0.01


def test_constant_facts_get_their_tolerance():
    same = [
        ReferenceCase(f"p{index}", {"spacing": Fact(1.0, SPACING, ""), "share": Fact(0.0, SHARE, "")})
        for index in range(12)
    ]
    facts = input_reference(same)["facts"]
    spacing = facts["spacing"]
    assert (spacing["low"], spacing["high"]) == pytest.approx((1 / SPACING.tolerance, SPACING.tolerance))
    assert (spacing["unit"], spacing["seen"]) == ("mm", [1, 1])
    assert (facts["share"]["low"], facts["share"]["high"]) == (-2, 2)


def test_ratios_are_widened_by_factors_and_stay_positive():
    generator = np.random.default_rng(1)
    sizes = [
        ReferenceCase(f"p{i}", {"size": Fact(float(np.exp(generator.normal(0, 1.5))), FIELD, "")})
        for i in range(40)
    ]
    found = input_reference(sizes)["facts"]["size"]
    assert 0 < found["low"] < found["seen"][0] < found["seen"][1] < found["high"]


def test_images_of_one_patient_are_left_out_together():
    """Else a strange patient would vouch for himself, and false alarms would look rare."""
    own = cases(20)
    strange = {"f0": Fact(50.0, WIDE, "")}
    pair = [ReferenceCase("p0", strange), ReferenceCase("p0", strange)]
    reference = input_reference([*own[1:], *pair])
    assert reference["false_alarms"] > 0
    assert (reference["cases"], reference["patients"]) == (21, 20)


def test_fact_of_few_patients_is_left_out():
    own = cases(20)
    own[0] = ReferenceCase("p0", {**own[0].facts, "rare": Fact(1.0, WIDE, "")})
    assert "rare" not in input_reference(own)["facts"]


def test_fact_that_some_patients_lack_has_the_range_of_the_others():
    own = cases(30)
    own[3:8] = [ReferenceCase(case.patient, {}) for case in own[3:8]]
    found = input_reference(own)["facts"]["f0"]
    assert np.isfinite([found["low"], found["high"], *found["seen"]]).all()


def test_reference_needs_enough_patients():
    assert input_reference(cases(LEAST_PATIENTS - 1)) is None
    assert input_reference(cases(LEAST_PATIENTS)) is not None


def test_reference_is_strict_json():
    assert json.loads(json.dumps(input_reference(cases(15)), allow_nan=False))["cases"] == 15


def evaluated(modality: str = "OT", method: str = "zscore") -> SimpleNamespace:
    """As much of an `EvaluatedModel` as is read: it needs no network."""
    named = [SimpleNamespace(label=label, name=name) for label, name in ((1, "Left"), (2, "Right"))]
    normalization = Normalization(method, lower=0, upper=9)
    description = SimpleNamespace(
        modality=modality,
        channels=("T1",),
        structures=named,
        input=ModelInput((1.0, 1.0, 1.0), "LPS", normalization, (16, 16, 16)),
    )
    return SimpleNamespace(
        model=SimpleNamespace(description=description), structures=("Left", "Right"), label_map={}
    )


def test_files_are_measured_with_their_true_labels(dataset):
    found = reference_cases(evaluated(), find_cases(dataset))
    assert [case.patient for case in found] == [f"case_{index}" for index in range(6)]
    assert 0.1 < found[0].facts["structure_1_volume"].value < 0.6
    assert {"dark", "echo", "structure_1_border_front"} <= found[0].facts.keys()


@pytest.mark.parametrize(("modality", "method"), [("OT", "window"), ("CT", "zscore")])
def test_ct_is_measured_in_hu(dataset, modality, method):
    facts = reference_cases(evaluated(modality, method), find_cases(dataset)[:1])[0].facts
    assert "body_50" in facts
    assert "dark" not in facts


def test_labels_are_mapped_as_the_model_learned_them(dataset):
    mapped = evaluated()
    mapped.label_map = {1: 2, 2: 1}
    plain, turned = (
        reference_cases(each, find_cases(dataset)[:1])[0].facts for each in (evaluated(), mapped)
    )
    assert turned["structure_1_volume"].value == plain["structure_2_volume"].value


def test_all_unusable_files_are_named(dataset):
    chosen = find_cases(dataset)
    for case in chosen[:2]:
        case.label.write_bytes(b"no image")
    with pytest.raises(DatasetError, match="2 problems"):
        reference_cases(evaluated(), chosen)


def test_margin_goes_by_patient():
    one = cases(60)
    middle = {name: Fact(0.0, fact.kind, "") for name, fact in one[0].facts.items()}
    widths = []
    for letter in "pq":  # the same images, first of the same patients and then of others
        both = [*one, *(ReferenceCase(f"{letter}{index}", middle) for index in range(60))]
        limits = input_reference(both)["facts"]["f0"]
        widths.append(limits["high"] - limits["low"])
    assert widths[0] > widths[1]
