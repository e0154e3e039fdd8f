"""Whether regions lead to what matters: thick errors, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trustseg_training.calibration.curve_choice import CurveCases
from trustseg_training.calibration.error_curve import VoxelTable
from trustseg_training.calibration.region_review import (
    THICK,
    Found,
    Review,
    curves_of_others,
    error_thickness,
    region_figures,
    review,
)
from trustseg_training.export.calibration import calibration_section
from TrustSegLib.contract import CALIBRATION_SCHEMA
from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty.calibration_checks import check_map

SHAPE = (20, 26, 30)


def _volume(array: np.ndarray) -> Volume:
    return Volume(
        array[None], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    )


def _box(*sides: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[tuple(slice(*side) for side in sides)] = 1
    return mask


def test_voxels_of_a_thick_layer_are_thick_and_those_of_a_thin_one_are_not():
    whole = (0, SHAPE[0]), (0, SHAPE[1])
    truth = _box(*whole, (4, 12))
    for layers in (1, 2, 3):
        for end in (12 + layers, 12 - layers):
            prediction = _box(*whole, (4, end))
            thickness = error_thickness(prediction, truth)
            wrong = prediction != truth
            assert wrong.sum() == SHAPE[0] * SHAPE[1] * layers
            assert (thickness[~wrong] == 0).all()
            assert thickness[wrong].max() == layers
            assert ((thickness[wrong] > THICK) == (layers > 1)).all()


def test_edge_contact_is_thin_and_corner_contact_thick():
    truth = _box((4, 8), (4, 8), (4, 8))
    for voxel, thick in (((8, 8, 7), False), ((8, 8, 8), True)):
        prediction = truth.copy()
        prediction[voxel] = 1
        assert (error_thickness(prediction, truth)[voxel] > THICK) is np.bool_(thick)


def test_missed_and_invented_structures_are_thick_throughout():
    truth = _box((4, 5), (4, 5), (4, 8))
    nothing = np.zeros_like(truth)
    for prediction, true in ((nothing, truth), (truth, nothing)):
        assert np.isinf(error_thickness(prediction, true)[4, 4, 4:8]).all()


def test_swapped_structures_are_as_thick_as_they_are_deep():
    truth = _box((4, 10), (4, 10), (4, 10))
    truth[4:10, 4:10, 10:16] = 2
    prediction = truth.copy()
    prediction[4:10, 4:10, 8:10] = 2
    thickness = error_thickness(prediction, truth)
    assert thickness[prediction != truth].min() > THICK


def _case() -> tuple[Volume, Volume, np.ndarray]:
    """A mask with a doubtful rim, one face of it wrong by a voxel, and a missed blob in doubt beside it."""
    truth = _box((4, 12), (4, 12), (4, 12))
    prediction = truth.copy()
    prediction[11, 4:12, 4:12] = 0
    truth[5:13, 15:23, 18:26] = 1
    error = np.full(SHAPE, 0.01, np.float32)
    for axis in range(3):
        edge = np.diff(prediction.astype(int), axis=axis) != 0
        for side in ((0, 1), (1, 0)):
            pad = [(0, 0)] * 3
            pad[axis] = side
            error[np.pad(edge, pad)] = 0.48
    error[5:13, 15:23, 18:26] = 0.45
    return _volume(error), _volume(prediction), truth


def test_regions_hold_the_thick_error_where_the_most_uncertain_voxels_are_the_rim():
    error, labels, truth = _case()
    found = review(error, labels, truth)
    assert found.everywhere == Found(64 + 512, 512)
    assert found.regions == 1
    assert 64 < found.voxels < 512, "the middle of the blob"
    assert found.in_regions == Found(found.voxels, found.voxels)
    assert found.most_uncertain.thick == 0
    inner, outer = 7 * 8 * 8 - 5 * 6 * 6, 2 * (8 * 8 + 2 * 7 * 8)
    # 64 of the rim's voxels are wrong, the layer that was left out, and none of them is thick.
    assert found.in_rim.wrong == pytest.approx(64 * found.voxels / (inner + outer))
    assert found.in_rim.thick == 0


def test_rim_smaller_than_the_regions_is_reviewed_whole():
    error, labels, truth = _case()
    speck = np.zeros_like(labels.array)
    speck[0, 2, 2, 2] = 1
    found = review(error, labels.with_array(speck), truth)
    assert found.rim_voxels == 7 < found.voxels
    assert found.in_rim.wrong == 1


def test_review_without_regions_is_empty():
    error, labels, truth = _case()
    found = review(error.with_array(np.zeros_like(error.array)), labels, truth)
    assert (found.regions, found.voxels, found.in_regions) == (0, 0, Found(0, 0))
    assert found.most_uncertain == found.in_rim == Found(0, 0)


def test_shares_are_of_all_thick_errors_and_of_all_reviewed_voxels():
    nothing = Review(0, 0, Found(10, 4), Found(0, 0), Found(0, 0), 0, Found(0, 0))
    looked = Review(2, 20, Found(30, 12), Found(10, 8), Found(12, 4), 10, Found(5, 0))
    figures = region_figures({"one": [nothing], "other": [looked, looked]})
    assert figures["regions"] == 1
    assert figures["voxels"] == 10
    assert figures["thick"] == 8
    assert figures["in_regions_thick"] == 8 / 16
    assert figures["in_regions_wrong"] == 10 / 20
    assert figures["most_uncertain_thick"] == 4 / 16
    assert region_figures({"one": [nothing]})["in_rim_wrong"] is None
    assert region_figures({}) == {}
    record = {"data": "d", "patients": 2, "conditions": ["clean"], "cases": 3, "folds": 2}
    text = calibration_section({"record": record}, {"regions": figures})
    assert "| the regions | 50% | 50% |" in text
    assert "| the rim of the mask | 0% | 50% |" in text


def _cases(*patients: str) -> CurveCases:
    """One image a patient: wrong voxels are raw .4 and .6, and half as likely to be wrong as that."""
    generator = np.random.default_rng(0)
    raw = np.repeat([0.02, 0.4, 0.6], 3000)
    tables = [VoxelTable.of(raw, generator.uniform(size=raw.size) < raw / 2) for _ in patients]
    clean = np.ones(len(patients), bool)
    return CurveCases(np.array(patients), clean, np.ones(len(patients)) / len(patients), tables, tables)


def test_curve_of_a_patient_is_that_of_the_others_if_the_map_is_calibrated():
    cases = _cases(*(f"p{number:02d}" for number in range(10)))
    line = {"raw": [0.0, 1.0], "calibrated": [0.0, 0.5], "ece_before": 0.1, "ece_after": 0.01}
    record = {"data": "d", "patients": 10, "conditions": ["clean"], "cases": 10, "folds": 10}

    def of_check(check) -> dict:
        part = {"curve": "isotonic", **line, "check": check.to_json()}
        return curves_of_others(
            cases, {"schema": CALIBRATION_SCHEMA, "record": record, "error_probability": part}
        )

    passed = of_check(check_map(0.1, 0.01))
    assert set(passed) == set(cases.patient)
    assert passed["p03"](np.array([0.4, 0.6])) == pytest.approx([0.2, 0.3], abs=0.02)
    assert (passed["p03"].calibrated != passed["p04"].calibrated).any(), "each left out of its own"
    for failed in (of_check(check_map(0.1, 0.2)), curves_of_others(cases, None)):
        assert failed["p03"](np.array([0.4, 0.6])) == pytest.approx([0.4, 0.6])
