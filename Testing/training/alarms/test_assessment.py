"""A calibrated model on real files: its rows are what `segment` returns, compared with the whole truth."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from trustseg_training.alarms import CHANGES, assess_alarms
from trustseg_training.alarms.changes import Changed
from trustseg_training.corruptions import parse
from trustseg_training.evaluation import EvaluatedModel
from TrustSegLib.bundle.description import ModelInput
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization, read_labels
from TrustSegLib.moments import ClassMoments

RECORD = {"data": "none", "patients": 40, "conditions": ["clean"], "cases": 40, "folds": 5}
BORDERS = [
    f"structure_{label}_border_{side}" for label in (1, 2) for side in ("left", "right", "foot", "head")
]
BORDERS += [f"structure_{label}_border_{side}" for label in (1, 2) for side in ("front", "back")]
RANGES = {name: {"low": -5, "high": 5, "unit": "mm2"} for name in BORDERS}
CALIBRATION = {"record": RECORD, "input": {"cases": 40, "facts": RANGES}}


class Thresholds(torch.nn.Module):
    """Knows the data set's balls: background, right and left half have 0, 100 and 150."""

    size_divisor = 1

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        logits = [-100 * (patches[:, 0] - level) ** 2 for level in (0.0, 0.75, 0.5)]
        mean = torch.softmax(torch.stack(logits, dim=1), dim=1)
        return ClassMoments(mean, 0.1 * mean * (1 - mean))


def evaluated(calibration: dict | None = CALIBRATION) -> EvaluatedModel:
    """A model of the thresholds, as a bundle would be."""
    network = Thresholds()
    network.class_moments = lambda patches: Thresholds.class_moments(network, patches)
    structures = tuple(SimpleNamespace(label=label, name=name) for label, name in ((1, "Left"), (2, "Right")))
    grid = ModelInput((1.0, 1.0, 1.0), "LPS", Normalization("window", lower=0.0, upper=200.0), (16, 16, 16))
    description = SimpleNamespace(
        name="thresholds",
        version="1.0.0",
        modality="OT",
        channels=("T1",),
        structures=structures,
        classes=3,
        locator=None,
        input=grid,
        patch_shape=(16, 16, 16),
        network={},
        family="deterministic",
        family_options={},
        propagation="exact",
    )
    model = SimpleNamespace(
        description=description,
        sha256="0" * 64,
        network=lambda: network,
        calibration=lambda: calibration,
        metrics=lambda: None,
    )
    return EvaluatedModel("thresholds", model, ("Left", "Right"))


@pytest.fixture
def alarms(dataset):
    return assess_alarms(evaluated(), dataset, [parse("gaussian-0dB")])


def of(alarms, condition: str) -> list:
    return [alarm for alarm in alarms if alarm.condition == condition]


def test_every_structure_of_every_image_has_a_row_under_every_condition(alarms):
    conditions = list(dict.fromkeys(alarm.condition for alarm in alarms))
    assert conditions[0] == "clean"
    assert conditions[-1] == "gaussian-0dB"
    assert set(conditions[1:-1]) <= set(CHANGES)
    assert {"inversion", "cut-2mm", "interpolated-2x"} <= set(conditions)
    assert [(each.case, each.structure) for each in of(alarms, "clean")] == [
        (case, name) for case in ("case_4", "case_5") for name in ("Left", "Right")
    ]


def test_what_a_cut_hides_counts_as_missed_and_the_border_is_told(alarms, dataset):
    truth = read_labels(dataset / "labelsTr" / "case_4.nii.gz")
    for clean, cut in zip(of(alarms, "clean"), of(alarms, "cut-4mm"), strict=True):
        assert cut.true_volume_ml == pytest.approx(clean.true_volume_ml)
        assert cut.dsc <= clean.dsc + 1e-9
        assert cut.failed == (cut.dsc < 0.8 or cut.hidden >= 0.1)
        if cut.hidden >= 0.2:
            assert "reaches the image's border" in cut.flag
    whole = (truth.array == 1).sum() * truth.voxel_volume_ml
    assert of(alarms, "cut-4mm")[0].true_volume_ml == pytest.approx(whole)
    assert any(alarm.hidden > 0.1 for alarm in of(alarms, "cut-4mm"))


def test_images_are_the_same_in_every_run(alarms, dataset):
    again = assess_alarms(evaluated(), dataset, [parse("gaussian-0dB")], cases=1)
    assert again == [alarm for alarm in alarms if alarm.case == "case_4"]


def test_image_that_is_refused_has_no_row_and_ends_nothing(dataset, monkeypatch):
    def darken(image, truth, _):
        return Changed(image.with_array(np.full_like(image.array, np.nan)), truth)

    monkeypatch.setitem(CHANGES, "inversion", darken)
    found = assess_alarms(evaluated(), dataset, [], cases=1)
    assert not of(found, "inversion")
    assert len(of(found, "cut-2mm")) == 2


def test_model_without_a_calibration_is_refused(dataset):
    with pytest.raises(OptionError, match="no calibration"):
        assess_alarms(evaluated(None), dataset, [])


def test_label_map_of_the_model_is_applied(alarms, dataset):
    mapped = replace(evaluated(), label_map={1: 2, 2: 1})
    turned = of(assess_alarms(mapped, dataset, [], cases=1), "clean")
    assert [each.true_volume_ml for each in turned] == [
        each.true_volume_ml for each in reversed(of(alarms, "clean")[:2])
    ]
    assert np.mean([each.dsc for each in turned]) < 0.2
