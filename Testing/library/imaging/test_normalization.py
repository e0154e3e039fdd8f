"""Intensity normalization and its settings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Normalization, normalize


def test_zscore_clips_first_then_centers_each_channel(oblique, numbers):
    array = np.stack([numbers.normal(50, 4, oblique.shape), numbers.gamma(2, 300, oblique.shape)])
    array[0, 0, 0, 0] = 1e6
    out = normalize(oblique.with_array(array), Normalization("zscore", 2, 97))
    for channel, result in zip(array, out.array, strict=True):
        clipped = np.clip(channel, *np.percentile(channel, (2, 97)))
        np.testing.assert_allclose(result, (clipped - clipped.mean()) / clipped.std(), atol=1e-4)


def test_scale_is_robust_to_one_bright_voxel(oblique):
    bright = oblique.array.copy()
    bright[0, 0, 0, 0] = 1e6
    settings = Normalization(upper_percentile=95)
    with_it = normalize(oblique.with_array(bright), settings).array
    without = normalize(oblique, settings).array
    np.testing.assert_allclose(with_it[0, 1:], without[0, 1:], atol=0.2)


def test_window_clips_and_scales_to_zero_and_one(oblique):
    array = np.resize([-2000, -100, 100, 300, 4000], oblique.array.shape).astype(np.int16)
    out = normalize(oblique.with_array(array), Normalization("window", lower=-100, upper=300))
    np.testing.assert_allclose(out.array.ravel()[:5], [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("settings", [Normalization(), Normalization("window", lower=0, upper=50)])
def test_result_is_float32_on_the_same_grid_and_the_input_unchanged(oblique, kind, settings):
    volume = oblique.with_array((np.abs(oblique.array) * 40).astype(kind))
    before = volume.array.copy()
    out = normalize(volume, settings)
    assert out.array.dtype == np.float32
    assert out.same_grid(volume)
    np.testing.assert_array_equal(volume.array, before)


def test_contrast_is_kept_under_a_large_offset(oblique):
    out = normalize(oblique.with_array(oblique.array.astype(np.float64) + 3e4), Normalization())
    assert out.array.std() == pytest.approx(1, abs=1e-3)


def test_image_of_nearly_all_background_is_refused(oblique):
    array = np.zeros(oblique.array.shape, np.float32)
    array[0, 0, 0, 0] = 100
    with pytest.raises(ImageError, match="channel 1 of the image"):
        normalize(oblique.with_array(array), Normalization("zscore", 1, 99))


@pytest.mark.parametrize("settings", [
    Normalization(),
    Normalization("zscore", 1, 98.5),
    Normalization("window", lower=-160, upper=240),
])  # fmt: skip
def test_settings_survive_json(settings):
    assert Normalization.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_settings_hold_only_those_of_the_method():
    assert Normalization("window", lower=-160, upper=240).to_dict() == {
        "method": "window",
        "lower": -160,
        "upper": 240,
    }
    assert set(Normalization().to_dict()) == {"method", "lower_percentile", "upper_percentile"}


@pytest.mark.parametrize("settings", [
    {},
    {"lower": 0, "upper": 1},
    {"method": "minmax"},
    {"method": "window"},
    {"method": "window", "lower": 5, "upper": 5},
    {"method": "window", "lower": "0", "upper": 5},
    {"method": "window", "lower": float("nan"), "upper": 5},
    {"method": "window", "lower": 0, "upper": float("inf")},
    {"method": "window", "lower": False, "upper": True},
    {"method": "zscore", "lower_percentile": -1},
    {"method": "zscore", "upper_percentile": 101},
    {"method": "zscore", "lower_percentile": 60, "upper_percentile": 40},
    {"method": "zscore", "percentile": 5},
])  # fmt: skip
def test_invalid_settings_are_refused(settings):
    with pytest.raises(OptionError, match="normalization"):
        Normalization.from_dict(settings)
