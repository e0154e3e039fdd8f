"""A model's calibration applied to a case: map, intervals, expected Dice coefficients, where they stop."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hand_made_bundles import expected_dsc, record, volume_interval

from TrustSegLib.imaging import Volume, resample
from TrustSegLib.imaging.grid import Grid
from TrustSegLib.inference import Roi, SegmentOptions, Uncalibrated, class_moments, segment
from TrustSegLib.inference.segmentation import NOT_FOR_A_PART, PART_ONLY
from TrustSegLib.uncertainty import FEATURES, QUALITY_SCORES, Calibration, ScoreSums, uncertainty_map
from TrustSegLib.uncertainty.regions import find_regions

MakeModel = Callable[..., SimpleNamespace]
MakeVolume = Callable[..., Volume]
CURVE = {"raw": [0.0, 0.5], "calibrated": [0.05, 0.8], "ece_before": 0.1, "ece_after": 0.01}
ALL = {
    "record": record(),
    "error_probability": CURVE,
    "volumes": [volume_interval()],
    "quality": [
        expected_dsc(
            features=["expected_dice"],
            center=[0.5],
            scale=[1.0],
            coefficients=[1.0],
            intercept=0.1,
            low=-0.2,
            high=0.2,
            failure_auroc=None,
        )
    ],
}
PART = Roi((2, 9, 3, 7, 1, 6), "index")


def test_map_is_calibrated_and_the_rows_have_its_mean(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    image = make_volume()
    raw = segment(image, make_model(pointwise))
    found = segment(
        image, make_model(pointwise, calibration=ALL), SegmentOptions(maps=("error_probability",))
    )
    expected = 0.05 + 1.5 * raw.maps["error_probability"].array
    np.testing.assert_allclose(found.maps["error_probability"].array, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.labels.array, raw.labels.array)
    in_mask = expected[found.labels.array == 1]
    assert found.structures[0].mean_uncertainty == pytest.approx(in_mask.mean(), rel=1e-5)


def test_scores_are_raw_with_any_calibration(
    make_model: MakeModel, make_volume: MakeVolume, context: torch.nn.Module
) -> None:
    image = make_volume()
    raw = segment(image, make_model(context, structures=2))
    assert segment(image, make_model(context, structures=2, calibration=ALL)).scores == raw.scores
    assert [one.label for one in raw.scores] == [1, 2]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.2, 0.9)])
def test_volume_scores_equal_those_of_the_class_moments(
    make_model: MakeModel,
    make_volume: MakeVolume,
    context: torch.nn.Module,
    monkeypatch: pytest.MonkeyPatch,
    spacing: tuple,
) -> None:
    image, model = make_volume(), make_model(context, structures=2, spacing=spacing)
    whole = segment(image, model)
    own = scores_of(image, model, whole.labels)
    for name in set(FEATURES) - set(QUALITY_SCORES):
        assert [getattr(each, name) for each in whole.scores] == [getattr(each, name) for each in own]
    monkeypatch.setattr("TrustSegLib.inference.mask_and_maps.CHUNK_BYTES", 10_000)
    chunked = segment(image, model).scores
    # Interpolation in pieces rounds otherwise, the sums do not.
    for one, other in zip(chunked, whole.scores, strict=True):
        assert list(vars(one).values()) == pytest.approx(list(vars(other).values()), rel=1e-4)


def scores_of(image: Volume, model: SimpleNamespace, labels: Volume) -> tuple:
    """The scores of the class moments on the image's own grid."""
    mean, variance = class_moments(image, model)
    sums = ScoreSums([1, 2])
    sums.add(mean, variance, labels.array[0])
    error = image.with_array(uncertainty_map("error_probability", mean, variance)[None])
    return sums.scores(labels, error)


def test_scores_of_quality_are_those_on_the_grid_of_the_model(
    make_model: MakeModel, make_volume: MakeVolume, context: torch.nn.Module
) -> None:
    """What is calibrated on 1 mm holds for the same image in other voxels."""
    model = make_model(context, structures=2, spacing=(1.0, 1.0, 1.0))
    image = make_volume(spacing=(1.0, 1.0, 2.0))
    resampled = resample(image, (1.0, 1.0, 1.0))
    there = segment(resampled, model)
    for found, wanted in zip(segment(image, model).scores, there.scores, strict=True):
        for name in QUALITY_SCORES:
            assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=1e-6)


def test_rows_and_case_have_the_calibrated_figures_of_the_scores(
    make_model: MakeModel, make_volume: MakeVolume, context: torch.nn.Module
) -> None:
    result = segment(make_volume(), make_model(context, structures=2, calibration=ALL))
    calibration, (scores, _) = Calibration.parse(ALL), result.scores
    first, second = result.structures
    assert first.volume_interval_ml == calibration.volume_interval_ml(scores)
    expected = calibration.expected_dsc(scores)
    assert (first.expected_dsc, *first.expected_dsc_interval) == expected
    assert "likely to fail" in first.flag
    assert (second.volume_interval_ml, second.expected_dsc, second.flag) == (None, None, None)
    assert result.case.quality == expected.value
    assert result.calibration == calibration.summary(result.structures)
    assert result.case.warnings == ()


def test_uncalibrated_model_gives_the_raw_map_and_no_figures(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    image, model = make_volume(), make_model(pointwise, calibration=ALL)
    raw, found = segment(image, make_model(pointwise)), segment(image, Uncalibrated(model))
    name = "error_probability"
    np.testing.assert_array_equal(found.maps[name].array, raw.maps[name].array)
    assert (found.calibration, found.case.quality) == (None, None)
    assert found.structures[0].volume_interval_ml is None
    assert found.model == segment(image, model).model


def test_part_of_the_image_has_a_calibrated_map_but_no_figures_of_whole_images(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    image, model = make_volume(), make_model(pointwise, calibration=ALL)
    whole, part = segment(image, model), segment(image, model, SegmentOptions(roi=PART))
    inside = np.zeros(image.shape, dtype=bool)
    inside[1:6, 3:7, 2:9] = True
    found, expected = (one.maps["error_probability"].array[0] for one in (part, whole))
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)
    assert not found[~inside].any()
    (row,) = part.structures
    assert row.volume_ml > 0
    assert (row.volume_interval_ml, row.expected_dsc, row.expected_dsc_interval, row.flag) == (None,) * 4
    assert part.case.quality is None
    assert part.case.warnings == (PART_ONLY, NOT_FOR_A_PART)


def test_regions_come_from_the_calibrated_map(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    values = np.zeros((1, 24, 24, 24), dtype=np.float32)
    values[0, 6:18, 6:18, 6:18] = 1.0
    values[0, 9:14, 9:14, 9:14] = 0.55
    image = make_volume((24, 24, 24)).with_array(values)
    model = make_model(pointwise, calibration=ALL)
    result = segment(image, model)
    assert result.regions
    error, structures = result.maps["error_probability"], model.description.structures
    assert result.regions == find_regions(error, result.labels, structures)
    assert result.regions != segment(image, make_model(pointwise)).regions


def test_uncalibrated_part_has_only_the_warning_of_a_part(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    result = segment(make_volume(), make_model(pointwise), SegmentOptions(roi=PART))
    assert result.case.warnings == (PART_ONLY,)
    inside = result.labels.array[0, 1:6, 3:7, 2:9]
    assert result.scores[0].volume_ml == pytest.approx(np.count_nonzero(inside) / 1000)
    assert result.scores[0].expected_volume_ml < inside.size / 1000


def test_roi_around_the_whole_image_counts_as_the_whole_image(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module, rotation: np.ndarray
) -> None:
    roi = Roi((-500, 500, -500, 500, -500, 500))
    image, model = make_volume(rotation=rotation), make_model(pointwise, calibration=ALL)
    result = segment(image, model, SegmentOptions(roi=roi))
    assert result.case.warnings == ()
    assert result.structures == segment(image, model).structures
    # Every row and column is touched, but on an oblique grid corners are not in it.
    touching = Roi((-31.5, -18.8, -18.7, -4.7, -13.5, -1.9))
    assert touching.box(Grid.of(image)).shape == image.shape
    cut = segment(image, model, SegmentOptions(roi=touching))
    assert cut.case.warnings == (PART_ONLY, NOT_FOR_A_PART)


@pytest.mark.parametrize("name", ["epistemic", "predictive_variance"])
def test_empty_variance_map_has_a_warning(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module, name: str
) -> None:
    image, options = make_volume(), SegmentOptions(maps=("error_probability", name))
    assert segment(image, make_model(pointwise), options).case.warnings == ()
    original = pointwise.class_moments
    pointwise.class_moments = lambda patches: original(patches)._replace(
        variance=torch.zeros_like(original(patches).variance)
    )
    (warning,) = segment(image, make_model(pointwise), options).case.warnings
    assert warning.startswith(f"map {name}: 0 everywhere")
    assert segment(image, make_model(pointwise)).case.warnings == ()
