"""What every corruption does to an image: voxels change, nothing else does, and more with each severity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustseg_training.corruptions import ARTIFACTS, NAMES, NOISES, Corruption, corrupt, parse
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume, read_labels, read_volume

SAMPLE = Path(__file__).parents[3] / "TrustSeg" / "Resources" / "SampleData"
MIDDLE = (slice(None), slice(8, 30), slice(14, 42), slice(6, 28))
SEVERITIES = range(1, 6)
TURNED = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def sample() -> Volume:
    """The middle of a real scan."""
    whole = read_volume(SAMPLE / "hippocampus_223.nii.gz")
    return replace(whole, array=whole.array[MIDDLE])


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return read_labels(SAMPLE / "hippocampus_223_label.nii.gz").array[MIDDLE]


def _ball(shape: tuple[int, int, int] = (16, 18, 20), spacing=(0.5, 1.0, 2.0), channels: int = 1) -> Volume:
    """A smooth bright ball with texture in channels of very different range, on a turned grid."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij"))
    ball = np.exp(-2 * (grid**2).sum(0)) + 0.1 * np.sin(9 * grid.sum(0))
    array = np.stack([ball * 10.0**index - 3 * index for index in range(channels)])
    return Volume(array.astype(np.float32), spacing, (5.0, -3.0, 2.0), TURNED)


def _scaled(image: Volume, like: Volume) -> np.ndarray:
    """One image in [0, 1] of another, written down once more."""
    low = like.array.astype(float).min((1, 2, 3), keepdims=True)
    high = like.array.astype(float).max((1, 2, 3), keepdims=True)
    return (image.array - low) / (high - low)


def _snr(image: Volume, clean: Volume) -> float:
    x, changed = _scaled(clean, clean), _scaled(image, clean)
    return 10 * np.log10((x**2).sum() / ((changed - x) ** 2).sum())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 2])
def test_image_changes_on_the_same_grid(name, channels):
    image = _ball(channels=channels)
    before = image.array.copy()
    for severity in SEVERITIES:
        after = corrupt(image, Corruption(name, severity), seed=1).image
        assert all((one != other).any() for one, other in zip(after.array, before, strict=True))
        geometry = (after.spacing, after.origin, after.direction, after.array.shape)
        assert geometry == (image.spacing, image.origin, image.direction, before.shape)
        assert after.array.dtype == np.float32
        assert np.isfinite(after.array).all()
    assert np.array_equal(image.array, before), "the caller's image was written into"


@pytest.mark.parametrize("name", NAMES)
def test_the_error_grows_with_every_severity(name, sample):
    for seed in range(4):
        done = [corrupt(sample, Corruption(name, severity), seed) for severity in SEVERITIES]
        snr = [one.snr_db for one in done]
        assert all(np.diff(snr) < -0.5), (seed, snr)
        assert all(np.diff([one.strength for one in done]) > 0)
        assert done[2].snr_db == pytest.approx(_snr(done[2].image, sample), abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_severities_range_from_visible_to_recognizable(name, sample):
    """SNR says little about gamma and gain, which a reader undoes with the window."""
    mild, heavy = (corrupt(sample, Corruption(name, severity), seed=0).snr_db for severity in (1, 5))
    assert 15 < mild < 31
    assert heavy > (-5 if name in ("gamma", "gain") else 0)


@pytest.mark.parametrize("name", NAMES)
def test_values_stay_in_the_range_of_each_channel(name):
    image = _ball(channels=2)
    x = _scaled(corrupt(image, Corruption(name, 5), seed=0).image, image)
    assert x.min() >= -1e-6
    assert x.max() == pytest.approx(2) if name == "gain" else x.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_seed_repeats_a_pattern_and_another_seed_gives_another(name):
    image = _ball()
    first, again, other, *more = (
        corrupt(image, Corruption(name, 3), seed).image.array for seed in (7, 7, 8, *range(9, 15))
    )
    assert np.array_equal(first, again)
    if name not in ("blur", "downsampling", "gain"):  # these have no random numbers
        assert any(not np.array_equal(first, one) for one in (other, *more))


@pytest.mark.parametrize("where", ["background", "structures", 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_only_the_named_voxels_change(name, where, sample, labels):
    named = {"background": labels == 0, "structures": labels > 0, 1: labels == 1, 2: labels == 2}[where]
    truth = labels.copy()
    after = corrupt(sample, Corruption(name, 4, where=where), seed=0, labels=labels).image.array
    everywhere = corrupt(sample, Corruption(name, 4), seed=0).image.array
    assert np.array_equal(after[~named], sample.array[~named])
    assert np.array_equal(after[named], everywhere[named]), "another pattern or strength than everywhere"
    assert (after[named] != sample.array[named]).mean() > 0.03
    assert np.array_equal(labels, truth)


def test_labels_are_taken_with_and_without_a_channel_axis(sample, labels):
    corruption = Corruption("gaussian", snr_db=20, where=1)
    first, second = (corrupt(sample, corruption, 0, given).image.array for given in (labels, labels[0]))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_become_fractions_and_doubles_stay(name):
    image = _ball()
    whole = image.with_array((image.array * 1000).astype(np.int16))
    assert corrupt(whole, Corruption(name, 2), 0).image.array.dtype == np.float32
    doubled = corrupt(image.with_array(image.array.astype(np.float64)), Corruption(name, 2), 0)
    assert doubled.image.array.dtype == np.float64


@pytest.mark.parametrize("name", NAMES)
def test_result_scales_with_the_gray_values(name):
    image = _ball()
    other = image.with_array(image.array.astype(np.float64) * 200 - 1000)
    first, second = (corrupt(one, Corruption(name, 3), seed=3) for one in (image, other))
    assert first.snr_db == pytest.approx(second.snr_db, abs=0.01)
    np.testing.assert_allclose(_scaled(first.image, image), _scaled(second.image, other), atol=1e-3)


@pytest.mark.parametrize(
    ("bad", "message"), [(np.nan, "NaN or infinite"), (np.inf, "NaN or infinite"), (None, "every voxel")]
)
@pytest.mark.parametrize("corruption", [Corruption("gaussian", snr_db=8), Corruption("motion", 3)])
def test_unusable_images_are_refused_with_a_reason(corruption, bad, message):
    array = _ball(channels=2).array.copy()
    if bad is None:
        array[1] = 4
    else:
        array[1, 3, 3, 3] = bad
    with pytest.raises(ImageError, match=f"{corruption.key}.*{message}"):
        corrupt(_ball().with_array(array), corruption, 0)


def test_unusable_labels_are_refused_with_a_reason(sample, labels):
    corruption = Corruption("gaussian", 3, where=3)
    for given_labels, message in (
        (None, "needs the labels"),
        (labels[:, 1:], "shape"),
        (labels, "no such voxel"),
    ):
        with pytest.raises(OptionError, match=message):
            corrupt(sample, corruption, 0, given_labels)


@pytest.mark.parametrize("name", ["motion", "ghosting", "spike"])
def test_images_too_small_for_k_space_are_refused(name):
    with pytest.raises(ImageError, match="too small"):
        corrupt(_ball((8, 8, 8)), Corruption(name, 3), 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_single_slice_can_be_corrupted(name):
    for seed in range(3):
        assert np.isfinite(corrupt(_ball((1, 32, 32)), Corruption(name, 5), seed).snr_db)


def test_noises_differ_from_one_another_under_one_seed(sample):
    patterns = [corrupt(sample, Corruption(name, 3), 0).image.array - sample.array for name in NOISES]
    for index, one in enumerate(patterns):
        for other in patterns[index + 1 :]:
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("name", [name for name in ARTIFACTS if name != "gain"])
def test_result_is_independent_of_the_position_in_the_scanner(name, sample):
    away = replace(sample, origin=(300.0, -200.0, 100.0), direction=TURNED)
    first, second = (corrupt(one, Corruption(name, 3), seed=2).image.array for one in (sample, away))
    assert np.array_equal(first, second)


PLACES = st.one_of(st.sampled_from(["all", "background", "structures"]), st.integers(1, 255))
BY_SEVERITY = st.builds(
    Corruption, st.sampled_from(NAMES), severity=st.integers(1, 5), snr_db=st.none(), where=PLACES
)
BY_SNR = st.builds(
    Corruption, st.sampled_from(NOISES), severity=st.none(), snr_db=st.floats(-30, 100), where=PLACES
)


@given(st.one_of(BY_SEVERITY, BY_SNR))
def test_the_key_of_a_corruption_names_it_exactly(corruption):
    assert parse(corruption.key) == corruption


@given(st.one_of(BY_SEVERITY, BY_SNR), st.one_of(BY_SEVERITY, BY_SNR))
def test_keys_of_two_corruptions_differ(first, second):
    assert (first.key == second.key) == (first == second)


@pytest.mark.parametrize(
    ("corruption", "key"),
    [
        (Corruption("gaussian", snr_db=8), "gaussian-8dB"),
        (Corruption("gaussian", snr_db=-2.5), "gaussian--2.5dB"),
        (Corruption("motion", severity=3), "motion-3"),
        (Corruption("speckle", snr_db=10, where=1), "speckle-10dB@1"),
        (Corruption("salt_and_pepper", 2, where="background"), "salt_and_pepper-2@background"),
    ],
)
def test_keys_are_as_in_the_tables(corruption, key):
    assert corruption.key == key


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "snow", "severity": 1},
        {"name": "gaussian"},
        {"name": "gaussian", "severity": 1, "snr_db": 8.0},
        {"name": "gaussian", "severity": 0},
        {"name": "gaussian", "severity": 6},
        {"name": "gaussian", "severity": True},
        {"name": "gaussian", "severity": 2.5},
        {"name": "gaussian", "snr_db": float("nan")},
        {"name": "gaussian", "snr_db": float("inf")},
        {"name": "gaussian", "snr_db": "8"},
        {"name": "motion", "snr_db": 8.0},
        {"name": "gaussian", "severity": 1, "where": "hippocampus"},
        {"name": "gaussian", "severity": 1, "where": 0},
        {"name": "gaussian", "severity": 1, "where": True},
    ],
)
def test_invalid_corruption_is_refused_in_one_line(arguments):
    with pytest.raises(OptionError) as failure:
        Corruption(**arguments)
    assert "\n" not in str(failure.value)
    assert str(failure.value).startswith(f"corruption {arguments['name']}") or "'snow'" in str(failure.value)


@pytest.mark.parametrize(
    "text",
    ["", "gaussian", "gaussian-", "gaussian-dB", "gaussian-8db", "gaussian-3@", "motion-x", "-3", "3@@1"],
)
def test_a_text_that_names_nothing_is_refused(text):
    with pytest.raises(OptionError):
        parse(text)


def test_names_are_unique():
    assert len(set(NAMES)) == len(NAMES) == 13
