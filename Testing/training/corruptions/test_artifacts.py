"""Each artifact against what it says it does, in mm where it says so."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_gradient_magnitude

from trustseg_training.corruptions import Corruption, corrupt
from TrustSegLib.imaging import Volume, read_volume

SAMPLE = Path(__file__).parents[3] / "TrustSeg/Resources/SampleData/hippocampus_223.nii.gz"

EYE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def _volume(array: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> Volume:
    return Volume(array[np.newaxis].astype(np.float64), spacing, (0, 0, 0), EYE)


def _texture(shape: tuple[int, int, int] = (24, 24, 24), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=shape)


def _after(image: Volume, name: str, severity: int, seed: int = 0) -> tuple[np.ndarray, float]:
    """The voxels (D, H, W) on the scale of [0, 1], and the strength."""
    done = corrupt(image, Corruption(name, severity), seed)
    low, high = image.array.min(), image.array.max()
    return (done.image.array[0] - low) / (high - low), done.strength


def _widths_mm(array: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Standard deviation of a bright spot along z, y, x in mm."""
    grid = np.meshgrid(
        *(np.arange(n) * s for n, s in zip(array.shape, spacing[::-1], strict=True)), indexing="ij"
    )
    means = [(array * axis).sum() / array.sum() for axis in grid]
    return np.array(
        [
            np.sqrt((array * (axis - mean) ** 2).sum() / array.sum())
            for axis, mean in zip(grid, means, strict=True)
        ]
    )


@pytest.mark.parametrize("severity", [3, 5])
def test_blur_is_as_wide_in_mm_along_every_axis(severity):
    spacing = (0.5, 0.6, 0.7)
    spot = np.zeros((31, 31, 31))
    spot[15, 15, 15] = 1
    blurred, strength = _after(_volume(spot, spacing), "blur", severity)
    assert _widths_mm(blurred, spacing) == pytest.approx(strength * 0.5, rel=0.1)


@pytest.mark.parametrize("name", ["blur", "downsampling"])
def test_an_axis_of_thick_slices_loses_less_than_the_fine_ones(name):
    image = _volume(_texture(), (1.0, 1.0, 5.0))
    changed, _ = _after(image, name, 3)
    kept = [
        np.abs(np.diff(changed, axis=axis)).mean() / np.abs(np.diff(image.array[0], axis=axis)).mean()
        for axis in range(3)
    ]
    assert kept[0] > 1.5 * max(kept[1:]), kept


def _ripple(period_mm: float, axis: int, spacing: tuple[float, float, float]) -> Volume:
    """A cosine along one of the axes z, y, x with 48 voxels, symmetric about the faces."""
    shape, own = [20, 20, 20], spacing[::-1][axis]
    shape[axis] = 48
    positions = (np.arange(48) + 0.5) * own
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * positions / period_mm)
    array = np.broadcast_to(np.expand_dims(wave, [other for other in range(3) if other != axis]), shape)
    return _volume(array, spacing)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_larger_voxels_keep_what_is_coarser_than_two_of_them_and_drop_the_rest(axis):
    """The edge of a new voxel is 2.3 times the finest old one's 0.5 mm; periods are of whole half waves."""
    spacing = (0.5, 0.75, 1.0)
    extent, limit = 48 * spacing[::-1][axis], 2 * 2.3 * 0.5
    periods = [2 * extent / waves for waves in range(4, 45, 4)]
    assert min(periods) < limit < max(periods)
    for period in periods:
        image = _ripple(period, axis, spacing)
        changed, strength = _after(image, "downsampling", 3)
        assert strength == 2.3
        contrast = changed.std() / ((image.array - image.array.min()) / np.ptp(image.array)).std()
        assert contrast == pytest.approx(1.0 if period > limit else 0.0, abs=1e-6), period


def test_downsampling_keeps_the_mean_and_shifts_nothing():
    spot = np.zeros((25, 25, 25))
    spot[12, 12, 12] = 1
    image = _volume(spot * 0.5 + 0.25 + _corner(spot.shape))
    changed, _ = _after(image, "downsampling", 3)
    center = changed[9:16, 9:16, 9:16]
    assert np.unravel_index(center.argmax(), center.shape) == (3, 3, 3)
    np.testing.assert_allclose(center, center[::-1, ::-1, ::-1], atol=0.02)


def _corner(shape: tuple[int, int, int]) -> np.ndarray:
    """One black voxel, so that clipping at 0 cuts off nothing near the middle."""
    corner = np.zeros(shape)
    corner[0, 0, 0] = -0.25
    return corner


@pytest.mark.parametrize("severity", range(1, 6))
def test_a_bias_field_is_smooth_and_falls_from_one_to_its_strength(severity):
    image = _volume(0.2 + 0.8 * _texture())
    x = (image.array[0] - image.array.min()) / np.ptp(image.array)
    changed, strength = _after(image, "bias_field", severity, seed=3)
    field = changed[x > 0.05] / x[x > 0.05]
    assert field.max() == pytest.approx(1, abs=0.05)
    assert field.min() == pytest.approx(np.exp(-strength), abs=0.05)
    full = np.where(x > 0.05, changed / np.maximum(x, 0.05), np.nan)
    steps = [np.nanmax(np.abs(np.diff(full, axis=axis))) for axis in range(3)]
    assert max(steps) < 0.4 * strength


@pytest.mark.parametrize("severity", [1, 5])
def test_gamma_is_a_power_up_or_down_by_the_seed(severity):
    x = np.linspace(0, 1, 16**3).reshape(16, 16, 16)
    powers = set()
    for seed in range(8):
        changed, strength = _after(_volume(x * 700 - 30), "gamma", severity, seed)
        power = np.log(changed[8, 8, 8]) / np.log(x[8, 8, 8])
        np.testing.assert_allclose(changed, x**power, atol=1e-9)
        assert abs(np.log(power)) == pytest.approx(strength)
        powers.add(round(power, 6))
    assert len(powers) == 2


def test_gain_is_twenty_percent_at_severity_two_and_is_not_clipped():
    x = np.linspace(0, 1, 16**3).reshape(16, 16, 16)
    changed, strength = _after(_volume(x * 700 - 30), "gain", 2)
    assert strength == 1.2
    np.testing.assert_allclose(changed, 1.2 * x, atol=1e-9)


def _bar(background: float = 0.02) -> Volume:
    array = np.full((48, 40, 44), background)
    array[20:28, 17:23, 19:25] += 0.5
    array[0, 0, 0] = 0
    array[23, 20, 22] = 1
    return _volume(array)


@pytest.mark.parametrize("seed", range(4))
def test_motion_leaves_the_object_in_its_place(seed):
    """Else a true label would count as wrong: the middle of k-space is read in place."""
    image = _bar()
    changed, _ = _after(image, "motion", 5, seed)
    original = image.array[0] > 0.3
    spectrum = np.fft.fftn(changed) * np.conj(np.fft.fftn(image.array[0]))
    shift = np.unravel_index(np.fft.ifftn(spectrum).real.argmax(), changed.shape)
    assert all(min(step, length - step) <= 1 for step, length in zip(shift, changed.shape, strict=True))
    assert changed[original].mean() > 2 * changed[~original].mean()


@pytest.mark.parametrize("seed", [1, 5, 6, 13])
def test_edges_of_a_real_image_lie_where_they_lay_before_the_motion(seed):
    """With more of k-space out of place they are those of the moved anatomy, which the label does not fit."""
    image = read_volume(SAMPLE)
    moved = corrupt(image, Corruption("motion", 5), seed).image
    still, changed = (
        gaussian_gradient_magnitude(each.array[0].astype(float), 1.0) for each in (image, moved)
    )
    inside = (slice(4, -4),) * 3

    def likeness(shift: tuple[int, ...]) -> float:
        return np.corrcoef(np.roll(changed, shift, (0, 1, 2))[inside].ravel(), still[inside].ravel())[0, 1]

    assert max(product((-1, 0, 1), repeat=3), key=likeness) == (0, 0, 0)


def test_motion_is_measured_in_mm():
    """A movement of 3 mm is six voxels of 0.5 mm, and a quarter of a voxel of 12 mm."""
    smooth = np.abs(np.fft.ifftn(np.fft.fftn(_texture((32, 32, 32))) ** 2).real)
    fine, coarse = (
        corrupt(_volume(smooth, (edge,) * 3), Corruption("motion", 4), 1).snr_db for edge in (0.5, 12.0)
    )
    assert fine < coarse - 1


@pytest.mark.parametrize("seed", range(6))
def test_ghosts_are_shifted_copies_along_one_axis(seed):
    image = _bar(background=0.4)
    changed, strength = _after(image, "ghosting", 5, seed)
    difference = np.abs(changed - image.array[0])
    spread = [
        (
            difference.max(axis=tuple(other for other in range(3) if other != axis)) > 0.3 * strength * 0.6
        ).mean()
        for axis in range(3)
    ]
    assert sorted(spread)[-1] > 1.8 * sorted(spread)[-2], "ghosts along more than one axis"


@pytest.mark.parametrize("seed", range(6))
def test_a_spike_is_one_ripple_with_its_share_of_the_mean(seed):
    image = _volume(0.3 + 0.2 * _texture((20, 24, 28)) + _corner((20, 24, 28)))
    image.array[0, 5, 5, 5] = 1
    image.array[0, 0, 0, 0] = 0
    changed, strength = _after(image, "spike", 3, seed)
    difference = changed - image.array[0]
    spectrum = np.abs(np.fft.fftn(difference))
    peaks = np.argwhere(spectrum > 0.5 * spectrum.max())
    assert len(peaks) == 2, "a ripple has one frequency and its mirror image"
    assert spectrum[0, 0, 0] < 0.05 * spectrum.max(), "the mean changed instead"
    assert np.percentile(np.abs(difference), 99) == pytest.approx(strength * image.array.mean(), rel=0.05)
