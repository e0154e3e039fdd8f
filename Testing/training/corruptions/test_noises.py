"""Each noise against its formula, and exact signal-to-noise ratios."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from trustseg_training.corruptions import NOISES, Corruption, corrupt
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Volume, read_labels, read_volume

SAMPLE = Path(__file__).parents[3] / "TrustSeg" / "Resources" / "SampleData"
MIDDLE = (slice(None), slice(8, 30), slice(14, 42), slice(6, 28))
EYE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
FLAT, LOW, SPAN = 0.4, -100.0, 500.0


@pytest.fixture(scope="module")
def sample() -> Volume:
    """The middle of a real scan."""
    whole = read_volume(SAMPLE / "hippocampus_223.nii.gz")
    return replace(whole, array=whole.array[MIDDLE])


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return read_labels(SAMPLE / "hippocampus_223_label.nii.gz").array[MIDDLE]


def _flat(value: float = FLAT) -> Volume:
    """One gray value everywhere, but for the two voxels that give the range."""
    array = np.full((1, 32, 32, 32), LOW + SPAN * value)
    array[0, 0, 0, :2] = LOW, LOW + SPAN
    return Volume(array, (1, 1, 1), (0, 0, 0), EYE)


def _noisy(name: str, snr_db: float, value: float = FLAT) -> tuple[np.ndarray, float]:
    """The voxels of the flat region in [0, 1] after the noise, and the noise's level."""
    done = corrupt(_flat(value), Corruption(name, snr_db=snr_db), seed=5)
    return ((done.image.array - LOW) / SPAN).ravel()[2:], done.strength


def _snr(image: Volume, clean: Volume) -> float:
    low, high = clean.array.min(), clean.array.max()
    x, changed = ((one.array.astype(float) - low) / (high - low) for one in (clean, image))
    return 10 * np.log10((x**2).sum() / ((changed - x) ** 2).sum())


@pytest.mark.parametrize("snr_db", [30, 15, 8, 4, 0])
@pytest.mark.parametrize("name", NOISES)
def test_the_exact_ratio_is_met_on_a_real_image(name, snr_db, sample):
    done = corrupt(sample, Corruption(name, snr_db=snr_db), seed=1)
    assert done.snr_db == pytest.approx(snr_db, abs=0.01)
    assert _snr(done.image, sample) == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize("where", ["background", "structures", 1])
@pytest.mark.parametrize("name", NOISES)
def test_the_exact_ratio_of_a_part_counts_the_whole_image(name, where, sample, labels):
    done = corrupt(sample, Corruption(name, snr_db=22, where=where), 1, labels)
    assert _snr(done.image, sample) == pytest.approx(22, abs=0.01)


@pytest.mark.parametrize("name", NOISES)
def test_the_exact_ratio_is_met_on_few_voxels(name):
    generator = np.random.default_rng(0)
    image = Volume(generator.uniform(0, 9, (2, 8, 8, 8)), (1, 1, 1), (0, 0, 0), EYE)
    for snr_db in (25, 10, 5):
        assert corrupt(image, Corruption(name, snr_db=snr_db), 0).snr_db == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize("name", NOISES)
def test_a_ratio_out_of_reach_is_refused_with_the_least_one(name, sample, labels):
    corruption = Corruption(name, snr_db=-5, where=1)
    with pytest.raises(OptionError, match=rf"{name}--5dB@1.*takes the image to \d+\.\d\d dB at least"):
        corrupt(sample, corruption, 0, labels)


def test_the_least_ratio_that_is_named_is_in_reach(sample, labels):
    with pytest.raises(OptionError) as failure:
        corrupt(sample, Corruption("gaussian", snr_db=-5, where=1), 0, labels)
    least = float(str(failure.value).split("image to ")[1].split(" dB")[0])
    nearly = corrupt(sample, Corruption("gaussian", snr_db=least + 0.01, where=1), 0, labels)
    assert nearly.snr_db == pytest.approx(least + 0.01, abs=0.01)


def test_speckle_on_black_voxels_is_refused_with_the_reason():
    image = _flat()
    labels = np.zeros(image.shape, np.uint8)
    labels[0, 0, 0] = 1
    with pytest.raises(OptionError, match="does not change these voxels at all"):
        corrupt(image, Corruption("speckle", snr_db=20, where=1), 0, labels)


@pytest.mark.parametrize("name", NOISES)
def test_one_pattern_is_scaled_at_every_strength(name, sample):
    """The voxels that a weak noise changes most are those that a strong one does."""
    if name == "salt_and_pepper":
        weak, strong = (corrupt(sample, Corruption(name, severity), 3).image.array for severity in (1, 5))
        assert ((strong != sample.array) | (weak == sample.array)).all()
        return
    noise = [
        corrupt(sample, Corruption(name, snr_db=snr_db), 3).image.array - sample.array for snr_db in (25, 18)
    ]
    assert np.corrcoef(*(one.ravel() for one in noise))[0, 1] > 0.97


def test_gaussian_noise_is_normal_with_its_level_as_deviation():
    x, level = _noisy("gaussian", 15)
    assert x.mean() == pytest.approx(FLAT, abs=0.002)
    assert x.std() == pytest.approx(level, rel=0.02)
    assert stats.kstest((x - FLAT) / level, "norm").pvalue > 0.001


@pytest.mark.parametrize("value", [0.05, 0.4])
def test_rician_noise_has_the_distribution_of_a_magnitude(value):
    x, level = _noisy("rician", 10, value)
    assert stats.kstest(x, stats.rice(value / level, scale=level).cdf).pvalue > 0.001
    assert (x**2).mean() == pytest.approx(value**2 + 2 * level**2, rel=0.02)


@pytest.mark.parametrize("value", [0.1, 0.4])
def test_poisson_noise_is_counts_of_its_peak(value):
    x, level = _noisy("poisson", 14, value)
    counts = x / level**2
    assert np.abs(counts - np.round(counts)).max() < 0.05
    assert counts.mean() == pytest.approx(value / level**2, rel=0.02)
    assert counts.var() == pytest.approx(value / level**2, rel=0.04)
    assert stats.skew(counts) == pytest.approx(level / np.sqrt(value), abs=0.06)


def test_poisson_noise_grows_with_the_root_of_the_signal_and_speckle_with_the_signal():
    for name, power in (("poisson", 0.5), ("speckle", 1.0), ("gaussian", 0.0)):
        array = np.full((1, 32, 32, 32), 0.1)
        array[0, 16:] = 0.4
        array[0, 0, 0, :2] = 0, 1
        image = Volume(array, (1, 1, 1), (0, 0, 0), EYE)
        noise = corrupt(image, Corruption(name, snr_db=22), 0).image.array - array
        assert noise[0, 16:].std() / noise[0, 1:16].std() == pytest.approx(4**power, rel=0.04)


def test_speckle_has_its_level_as_relative_deviation():
    x, level = _noisy("speckle", 15)
    assert x.mean() == pytest.approx(FLAT, abs=0.002)
    assert (x / FLAT).std() == pytest.approx(level, rel=0.02)
    assert stats.kstest((x / FLAT - 1) / level, "norm").pvalue > 0.001


@pytest.mark.parametrize("severity", [3, 5])
def test_salt_and_pepper_replace_a_share_of_the_voxels_half_each(severity):
    done = corrupt(_flat(), Corruption("salt_and_pepper", severity), seed=0)
    x = ((done.image.array - LOW) / SPAN).ravel()[2:]
    salt, pepper = (x == 1).mean(), (x == 0).mean()
    assert salt + pepper == pytest.approx(done.strength, abs=2 / x.size)
    assert salt == pytest.approx(pepper, abs=5 * np.sqrt(done.strength / x.size))
    assert (np.isclose(x, FLAT) | (x == 0) | (x == 1)).sum() >= x.size - 1, "added instead of replaced"


@pytest.mark.parametrize("severity", range(1, 6))
def test_a_severity_stands_for_one_ratio_in_dark_and_in_bright_images(severity):
    expected = (22, 18, 14, 11, 8)[severity - 1]
    for name in ("gaussian", "rician", "poisson", "speckle"):
        for value in (0.2, 0.4):
            done = corrupt(_flat(value), Corruption(name, severity), seed=0)
            assert done.snr_db == pytest.approx(expected, abs=0.4), name
