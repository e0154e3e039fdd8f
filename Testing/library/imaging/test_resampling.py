"""Resampling keeps positions, covers the image and does not alias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Volume, orient, resample, resample_like, resampled_middle

IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def ramp(volume: Volume) -> Volume:
    """Intensities that are the patient coordinates x + 2 y + 3 z themselves, so that any shift shows."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in volume.size], [1], indexing="ij")).reshape(4, -1)
    x, y, z = (volume.index_to_lps @ index)[:3]
    array = (x + 2 * y + 3 * z).reshape(volume.size).transpose(2, 1, 0)
    return volume.with_array(array[np.newaxis])


def corner(volume: Volume, last: bool) -> np.ndarray:
    """Outer corner of the first or the last voxel, LPS mm."""
    index = np.array(volume.size) - 0.5 if last else np.full(3, -0.5)
    return (volume.index_to_lps @ (*index, 1))[:3]


def inside(volume: Volume) -> tuple[slice, ...]:
    return (slice(None), *(slice(2, -2) for _ in volume.shape))


@pytest.fixture
def big(oblique) -> Volume:
    return ramp(Volume(np.zeros((1, 12, 24, 30)), oblique.spacing, oblique.origin, oblique.direction))


def test_first_outer_corner_and_direction_are_kept(big):
    out = resample(big, (1.3, 0.7, 4.0))
    np.testing.assert_allclose(corner(out, last=False), corner(big, last=False), atol=1e-9)
    assert out.direction == big.direction
    assert out.spacing == (1.3, 0.7, 4.0)


@pytest.mark.parametrize("spacing", [(1.3, 0.7, 4.0), (0.3, 0.3, 0.3), (7.0, 5.0, 40.0), (0.9, 1.1, 2.5)])
def test_new_grid_covers_the_image_and_less_than_a_voxel_more(big, spacing):
    out = resample(big, spacing)
    old, new = np.multiply(big.size, big.spacing), np.multiply(out.size, out.spacing)
    assert (new > old - 1e-2 * np.array(spacing)).all()
    assert (new < old + spacing).all()


def test_half_the_spacing_doubles_the_size_and_keeps_both_corners(big):
    out = resample(big, tuple(np.divide(big.spacing, 2)))
    assert out.size == tuple(2 * n for n in big.size)
    np.testing.assert_allclose(corner(out, last=True), corner(big, last=True), atol=1e-9)


def test_rounding_of_a_spacing_adds_no_layer():
    volume = Volume(
        np.random.default_rng(0).normal(size=(1, 10, 10, 10)), (1.0, 1.0, 1.0000001), (0, 0, 0), IDENTITY
    )
    assert resample(volume, (1, 1, 1)).size == (10, 10, 10)


@pytest.mark.parametrize("spacing", [(0.45, 0.55, 1.25), (1.3, 0.7, 4.0), (2.0, 3.0, 5.0)])
def test_intensities_keep_their_positions_in_the_patient(big, spacing):
    """Linear interpolation and symmetric smoothing both keep linear intensities, but for the rim."""
    out = resample(big, spacing)
    rim = tuple(slice(n // 4, -(n // 4)) for n in out.shape)
    np.testing.assert_allclose(out.array[0][rim], ramp(out).array[0][rim], atol=0.05)


def test_same_spacing_changes_nothing(oblique):
    out = resample(oblique, oblique.spacing)
    np.testing.assert_allclose(out.array, oblique.array, atol=1e-5)
    assert out.same_grid(oblique)


def test_constant_image_stays_constant_at_its_edges(oblique):
    volume = oblique.with_array(np.full(oblique.array.shape, 7.0, np.float32))
    for spacing in ((0.2, 0.3, 0.4), (2.0, 2.5, 4.0), (50.0, 50.0, 50.0)):
        np.testing.assert_allclose(resample(volume, spacing).array, 7.0, rtol=1e-6)


def test_labels_keep_their_values_and_type(oblique, numbers):
    labels = oblique.with_array(numbers.choice([0, 3, 200], oblique.array.shape).astype(np.uint8))
    out = resample(labels, (0.4, 2.0, 3.0), "nearest")
    assert out.array.dtype == np.uint8
    assert set(np.unique(out.array)) <= {0, 3, 200}


def test_linear_gives_float32_and_keeps_float64(oblique):
    assert (
        resample(oblique.with_array((oblique.array * 100).astype(np.int16)), (1, 1, 1)).array.dtype
        == np.float32
    )
    assert resample(oblique.with_array(oblique.array.astype(np.float64)), (1, 1, 1)).array.dtype == np.float64


def test_whole_numbers_are_interpolated_between(oblique):
    steps = np.broadcast_to(np.arange(7, dtype=np.int16), oblique.array.shape)
    out = resample(oblique.with_array(steps), (0.45, 1.1, 2.5))
    assert (out.array % 1 != 0).any()


def test_every_channel_is_resampled_as_a_single_one(oblique):
    both = oblique.with_array(np.concatenate([oblique.array, -2 * oblique.array]))
    out, alone = resample(both, (2.0, 0.8, 3.0)), resample(oblique, (2.0, 0.8, 3.0))
    np.testing.assert_allclose(out.array[0], alone.array[0], atol=1e-5)
    np.testing.assert_allclose(out.array[1], -2 * alone.array[0], atol=1e-5)


def test_detail_finer_than_the_new_voxels_is_smoothed_away():
    """Stripes of one voxel, sampled every 2.1 voxels without smoothing, would beat with full contrast."""
    stripes = np.broadcast_to((np.arange(64) % 2).astype(np.float32), (1, 8, 8, 64))
    volume = Volume(stripes, (1, 1, 1), (0, 0, 0), IDENTITY)
    assert resample(volume, (2.1, 1, 1)).array[..., 3:-3].std() < 0.05
    assert resample(volume, (2.1, 1, 1), "nearest").array.std() > 0.4


def test_noise_averages_out_as_in_a_scan_of_large_voxels(numbers):
    volume = Volume(numbers.normal(size=(1, 24, 24, 64)), (1, 1, 1), (0, 0, 0), IDENTITY)
    assert resample(volume, (4, 1, 1)).array.std() < 0.6


def test_smoothing_matches_the_point_spread_of_the_new_voxels(numbers):
    """Variance (new^2 - old^2) / (8 ln 2), in voxels of 2 mm."""
    signal = numbers.normal(size=60)
    out = resample(Volume(signal.reshape(1, 1, 1, 60), (2, 2, 2), (0, 0, 0), IDENTITY), (6, 2, 2))
    smooth = gaussian_filter1d(signal, np.sqrt((36 - 4) / (8 * np.log(2))) / 2, mode="nearest")
    np.testing.assert_allclose(out.array[0, 0, 0], smooth[1::3], atol=1e-6)


def test_only_the_coarser_axis_is_smoothed():
    array = np.zeros((1, 17, 17, 17), np.float32)
    array[0, 8, 8, 8] = 1
    volume = Volume(array, (1, 1, 1), (0, 0, 0), IDENTITY)
    out = resample(volume, (1, 1, 3)).array[0]
    assert (out[:, 8, 8] > 0).sum() > 1
    assert not out[:, 7, 8].any()
    assert not out[:, 8, 7].any()


def test_slightly_coarser_spacing_is_not_smoothed():
    array = np.zeros((1, 9, 9, 11), np.float32)
    array[..., 5] = 1
    volume = Volume(array, (1, 1, 1), (0, 0, 0), IDENTITY)
    assert (resample(volume, (1.1, 1, 1)).array[0, 4, 4] > 0).sum() <= 2


def test_smoothing_follows_the_axes_of_a_rotated_reference():
    """The reference's coarse axis is its first, which is the volume's third."""
    numbers = np.random.default_rng(3)
    volume = Volume(numbers.normal(size=(1, 24, 10, 12)), (1, 1, 1), (0, 0, 0), IDENTITY)
    reference = resample(volume, (1, 1, 4))
    turned = orient(reference, "SPL")
    assert turned.spacing == (4, 1, 1)
    out = orient(resample_like(volume, turned), "LPS")
    np.testing.assert_allclose(out.array, reference.array, atol=1e-5)


def test_resample_like_gives_the_grid_of_the_reference(big, oblique):
    out = resample_like(big, oblique)
    assert out.same_grid(oblique)
    np.testing.assert_allclose(out.array[inside(out)], ramp(oblique).array[inside(out)], atol=0.01)


def test_resample_like_restores_the_grid_without_fill_values(oblique):
    """Every voxel center of the input lies within the resampled image, whatever the spacing."""
    ones = oblique.with_array(np.ones_like(oblique.array))
    for spacing in ((1.0, 1.0, 1.0), (2.0, 3.0, 4.0), (0.4, 0.6, 7.0)):
        back = resample_like(resample(ones, spacing), oblique, fill=-1)
        np.testing.assert_allclose(back.array, 1, rtol=1e-6)


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_exactly_the_voxels_outside_have_the_fill_value(oblique, interpolation):
    ones = oblique.with_array(np.ones((2, *oblique.shape), np.float32))
    shift = ones.index_to_lps[:3, 0] * 3
    reference = replace(ones, origin=tuple(ones.origin - shift))
    out = resample_like(ones, reference, interpolation, fill=-5)
    np.testing.assert_allclose(out.array[..., :3], -5)
    np.testing.assert_allclose(out.array[..., 3:], 1)


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, -1, 1), (1, 1, np.nan), (1, 1, 1, 1), 2.0])
def test_invalid_spacing_is_refused(oblique, spacing):
    with pytest.raises(OptionError, match="three positive numbers"):
        resample(oblique, spacing)


def test_unknown_interpolation_is_refused(oblique):
    with pytest.raises(OptionError, match="linear or nearest"):
        resample_like(oblique, oblique, "cubic")


def test_middle_of_an_image_is_resampled_in_its_own_order_of_axes():
    array = np.arange(40 * 30 * 20, dtype=np.float32).reshape(1, 40, 30, 20)
    image = Volume(array, (1.0, 2.0, 0.5), (5.0, -3.0, 9.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    same = resampled_middle(image, (0.5, 2.0, 1.0), "SPL", 16)
    assert same.spacing == image.spacing
    assert same.array.tolist() == array[:, 12:28, 7:23, 2:18].tolist()
    assert same.origin == pytest.approx((7.0, 11.0, 15.0))
    finer = resampled_middle(image, (1.0, 1.0, 0.5), "LPS", 16)
    assert finer.spacing == pytest.approx((1.0, 1.0, 0.5))
    assert finer.size == (16, 16, 16)
