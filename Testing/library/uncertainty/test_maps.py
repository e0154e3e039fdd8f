"""Maps of hand-worked class moments, and of what rounding and memory do to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from TrustSegLib.contract import MAP_NAMES, map_display
from TrustSegLib.errors import OptionError
from TrustSegLib.uncertainty import labels, maps, uncertainty_map

P = (0.7, 0.2, 0.1)
V = (0.03, 0.02, 0.01)
BY_HAND = {
    "error_probability": 0.3,
    "predictive_variance": 0.03,
    "entropy": 0.801819,
    "epistemic": 0.06,
    "aleatoric": 0.40,
}


def voxel(values: tuple[float, ...]) -> np.ndarray:
    """Make class moments (K, 1, 1, 1) of one voxel."""
    return np.array(values, dtype=np.float32).reshape(-1, 1, 1, 1)


def random_moments(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Make class moments (K, D, H, W) with 0 <= v <= p(1-p)."""
    random = np.random.default_rng(1)
    weights = random.exponential(size=shape)
    mean = (weights / weights.sum(axis=0)).astype(np.float32)
    return mean, (random.random(shape) * mean * (1 - mean)).astype(np.float32)


@pytest.mark.parametrize("name", MAP_NAMES)
def test_map_has_the_value_worked_out_by_hand(name: str) -> None:
    value = uncertainty_map(name, voxel(P), voxel(V))
    assert value.shape == (1, 1, 1)
    assert value.item() == pytest.approx(BY_HAND[name], abs=1e-6)


def test_predictive_variance_is_that_of_the_label() -> None:
    value = uncertainty_map("predictive_variance", voxel((0.2, 0.5, 0.3)), voxel((0.05, 0.01, 0.09)))
    assert value.item() == pytest.approx(0.01)


def test_epistemic_and_aleatoric_parts_add_up_to_the_total() -> None:
    mean, variance = random_moments((4, 3, 5, 6))
    parts = uncertainty_map("epistemic", mean, variance) + uncertainty_map("aleatoric", mean, variance)
    np.testing.assert_allclose(parts, (mean * (1 - mean)).sum(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", MAP_NAMES)
def test_certain_voxel_has_uncertainty_zero(name: str) -> None:
    assert uncertainty_map(name, voxel((0, 1, 0)), voxel((0, 0, 0))).item() == 0


@pytest.mark.parametrize("name", ["error_probability", "entropy"])
def test_probability_rounded_above_one_gives_zero(name: str) -> None:
    above_one = float(np.nextafter(np.float32(1), np.float32(2)))
    assert uncertainty_map(name, voxel((above_one, 0)), voxel((0, 0))).item() == 0


def test_aleatoric_part_is_zero_where_the_variance_is_rounded_above_its_limit() -> None:
    assert uncertainty_map("aleatoric", voxel((0.5, 0.5)), voxel((0.2500001, 0.2500001))).item() == 0


@pytest.mark.parametrize("name", MAP_NAMES)
def test_nan_moments_give_nan(name: str) -> None:
    moments = voxel((math.nan, 0.5))
    assert math.isnan(uncertainty_map(name, moments, moments).item())


@pytest.mark.parametrize("name", MAP_NAMES)
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_slabs_equal_the_whole(name: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mean, variance = random_moments((3, 7, 4, 5))
    whole = uncertainty_map(name, mean, variance)
    monkeypatch.setattr(maps, "SLAB_BYTES", rows * 4 * 3 * 4 * 5)
    np.testing.assert_array_equal(uncertainty_map(name, mean, variance), whole)
    np.testing.assert_array_equal(labels(mean), mean.argmax(axis=0))


class Recorder(np.ndarray):
    """Array that notes how many slices are read at once."""

    reads: list[int] = []  # noqa: RUF012

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        part = np.asarray(self)[key]
        Recorder.reads.append(part.shape[1])
        return part


@pytest.mark.parametrize("name", MAP_NAMES)
def test_at_most_a_slab_is_read_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mean, variance = (part.view(Recorder) for part in random_moments((3, 7, 4, 5)))
    monkeypatch.setattr(maps, "SLAB_BYTES", 2 * 4 * 3 * 4 * 5 + 1)
    monkeypatch.setattr(Recorder, "reads", [])
    uncertainty_map(name, mean, variance)
    assert Recorder.reads == [2, 2, 2, 2, 2, 2, 1, 1]


def test_memory_mapped_moments_give_plain_arrays(tmp_path: object) -> None:
    mean, variance = random_moments((3, 4, 5, 6))
    np.save(f"{tmp_path}/mean.npy", mean)
    mapped = np.load(f"{tmp_path}/mean.npy", mmap_mode="r")
    result = uncertainty_map("entropy", mapped, variance)
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, uncertainty_map("entropy", mean, variance))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_maps_are_float32_and_labels_uint8(dtype: type) -> None:
    mean, variance = (part.astype(dtype) for part in random_moments((3, 2, 3, 4)))
    assert {uncertainty_map(name, mean, variance).dtype for name in MAP_NAMES} == {np.dtype(np.float32)}
    assert labels(mean).dtype == np.uint8


def test_flat_images_have_flat_maps() -> None:
    mean, variance = random_moments((3, 6, 5))
    assert uncertainty_map("epistemic", mean, variance).shape == (6, 5)
    assert labels(mean).shape == (6, 5)


def test_more_than_256_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="257 classes"):
        labels(np.zeros((257, 1, 1, 1), dtype=np.float32))


def test_moments_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        uncertainty_map("entropy", voxel(P), voxel(V[:2]))


def test_unknown_map_is_an_option_error_that_lists_the_maps() -> None:
    with pytest.raises(OptionError, match=r"'variance'.*error_probability, predictive_variance, entropy"):
        uncertainty_map("variance", voxel(P), voxel(V))


@pytest.mark.parametrize("name", MAP_NAMES)
@pytest.mark.parametrize("classes", [2, 3, 14])
def test_display_reaches_from_zero_to_the_largest_possible_value(name: str, classes: int) -> None:
    display = map_display(name, classes)
    equal = np.full((classes, 1, 1, 1), 1 / classes, dtype=np.float32)
    half = voxel((0.5, 0.5, *(0,) * (classes - 2)))
    largest = {
        "error_probability": uncertainty_map(name, equal, equal),
        "predictive_variance": uncertainty_map(name, half, half * (1 - half)),
        "entropy": uncertainty_map(name, equal, equal),
        "epistemic": uncertainty_map(name, equal, equal * (1 - equal)),
        "aleatoric": uncertainty_map(name, equal, 0 * equal),
    }
    assert display.low == 0
    assert display.largest == pytest.approx(largest[name].item(), rel=1e-6)
    assert display.high == (0.5 if name == "error_probability" else display.largest)
