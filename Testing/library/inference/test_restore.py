"""Class moments go back onto the input's grid: exactly where they can, linearly where they must."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk

from TrustSegLib.imaging import Volume, orient, resample
from TrustSegLib.imaging.grid import Box, Grid
from TrustSegLib.inference.restore import ExactRestorer, LinearRestorer, restorer


def _moments(shape: tuple[int, int, int], classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    mean = random.dirichlet(np.ones(classes), size=shape).astype(np.float32)
    mean = np.ascontiguousarray(np.moveaxis(mean, -1, 0))
    return mean, mean * (1 - mean) * random.random(shape, dtype=np.float32)


def _resampled(model: Volume, array: np.ndarray, image: Volume) -> np.ndarray:
    source, reference = model.with_array(array[None]).to_sitk(), image.to_sitk()
    return sitk.GetArrayFromImage(sitk.Resample(source, reference, sitk.Transform(), sitk.sitkLinear))


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "IRP", "ASL", "PIR"])
def test_flips_and_transposes_change_no_value(
    make_volume: Callable[..., Volume], rotation: np.ndarray, orientation: str
) -> None:
    model = make_volume(spacing=(1.0, 1.5, 2.0), rotation=rotation)
    mean, variance = _moments(model.shape)
    expected = orient(model.with_array(mean), orientation)
    back = restorer(mean, variance, Grid.of(model), Grid.of(expected))
    assert isinstance(back, ExactRestorer)
    np.testing.assert_array_equal(back.rows(2, 5)[0], expected.array[:, 2:5])
    variance_back = orient(model.with_array(variance), orientation).array
    np.testing.assert_array_equal(back.rows(0, expected.shape[0])[1], variance_back)


def test_part_of_the_same_grid_is_cropped_exactly(make_volume: Callable[..., Volume]) -> None:
    model = make_volume()
    mean, variance = _moments(model.shape)
    flipped = orient(model.with_array(mean), "LPI")
    box = Box((2, 0, 3), (6, 5, 14))
    back = restorer(mean, variance, Grid.of(model), Grid.of(flipped).crop(box))
    np.testing.assert_array_equal(back.rows(0, 4)[0], flipped.array[(slice(None), *box.slices)])


@pytest.mark.parametrize("shift", [0.02, 0.4, 1.0])
def test_shifted_grid_needs_interpolation(make_volume: Callable[..., Volume], shift: float) -> None:
    model = make_volume()
    grid = Grid.of(model)
    moved = Grid(grid.shape, grid.origin + shift * grid.steps[:, 0], grid.steps)
    assert isinstance(restorer(*_moments(model.shape), grid, moved), LinearRestorer)


def test_grids_whose_axes_are_not_parallel_are_refused(make_volume: Callable[..., Volume]) -> None:
    model = make_volume()
    angle = np.deg2rad(0.2)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned = make_volume(rotation=turn)
    with pytest.raises(ValueError, match="not parallel"):
        restorer(*_moments(model.shape), Grid.of(model), Grid.of(turned))


def test_grid_with_header_rounding_is_the_same(make_volume: Callable[..., Volume]) -> None:
    model = make_volume(rotation=np.eye(3) + 1e-7)
    assert isinstance(restorer(*_moments(model.shape), Grid.of(model), Grid.of(make_volume())), ExactRestorer)


@pytest.mark.parametrize("orientation", ["RAS", "IRP"])
def test_oblique_anisotropic_grid_equals_that_of_simpleitk(
    make_volume: Callable[..., Volume], rotation: np.ndarray, orientation: str
) -> None:
    image = make_volume(shape=(7, 20, 18), spacing=(0.8, 0.9, 2.6), rotation=rotation)
    model = resample(orient(image, orientation), (1.3, 1.3, 1.3))
    mean, variance = _moments(model.shape)
    back = restorer(mean, variance, Grid.of(model), Grid.of(image))
    found_mean, found_variance = (
        np.concatenate(parts, axis=1)
        for parts in zip(back.rows(0, 3), back.rows(3, 4), back.rows(4, 7), strict=True)
    )
    expected_mean, expected_sd = (
        np.stack([_resampled(model, one, image) for one in moments]) for moments in (mean, np.sqrt(variance))
    )
    np.testing.assert_allclose(found_mean, expected_mean, atol=2e-5)
    limited = np.minimum(expected_sd**2, expected_mean * (1 - expected_mean))
    np.testing.assert_allclose(found_variance, limited, atol=2e-5)
    np.testing.assert_allclose(found_mean.sum(axis=0), 1.0, rtol=1e-6)


def test_voxels_outside_the_model_grid_are_certain_background(make_volume: Callable[..., Volume]) -> None:
    image = make_volume()
    grid = Grid.of(image)
    source = Grid.of(image).crop(Box((3, 3, 3), (8, 9, 10)))
    source = Grid(source.shape, source.origin + 0.2, source.steps)
    mean, variance = _moments(source.shape)
    mean[0], mean[1:] = 0.0, 0.5
    variance[:] = 0.1
    found_mean, found_variance = restorer(mean, variance, source, grid).rows(0, grid.shape[0])
    inside = found_mean[0] == 0
    assert 0 < inside.sum() < inside.size
    assert inside[5, 5, 5]
    np.testing.assert_array_equal(found_mean[0][~inside], 1.0)
    np.testing.assert_array_equal(found_variance[:, ~inside], 0.0)
    far = restorer(mean, variance, source, Grid(grid.shape, grid.origin + 500.0, grid.steps)).rows(0, 2)
    np.testing.assert_array_equal(far[0][0], 1.0)


def test_probabilities_sum_to_one_after_rounding(make_volume: Callable[..., Volume]) -> None:
    grid = Grid.of(make_volume())
    moved = Grid(grid.shape, grid.origin + 0.3, grid.steps)
    mean, variance = _moments(grid.shape)
    found, _ = restorer(0.99 * mean, variance, grid, moved).rows(0, 11)
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-6)


def test_variance_stays_below_that_of_a_bernoulli_variable(make_volume: Callable[..., Volume]) -> None:
    image = make_volume()
    grid = Grid.of(image)
    moved = Grid(grid.shape, grid.origin + 0.5, grid.steps)
    mean = np.random.default_rng(2).integers(0, 2, (1, *grid.shape)).astype(np.float32)
    mean = np.concatenate([mean, 1 - mean])
    # Larger than p (1 - p) = 0 on purpose.
    found_mean, found_variance = restorer(mean, np.full_like(mean, 0.2), grid, moved).rows(0, 11)
    assert (found_variance <= found_mean * (1 - found_mean) + 1e-7).all()
    assert found_variance.min() >= 0
